"""`upsim key`, `upsim tier` and `upsim magic`: who may call a world, and the values with a fixed outcome."""

from __future__ import annotations

import click

from upsim.commands.connection import Sandbox, drives, given, number_or_text


@click.group()
def key() -> None:
    """List, create and revoke a world's API keys."""


@key.command("list")
@click.argument("account", required=False)
@drives()
def list_keys(sandbox: Sandbox, account: str | None) -> None:
    """The keys of an ACCOUNT, or of all, without their secrets."""
    names = [account] if account else [one["name"] for one in sandbox.in_world("GET", "accounts")["data"]]
    found = [
        {"account": name, **one}
        for name in names
        for one in sandbox.in_world("GET", "accounts", name, "keys")["data"]
    ]  # fmt: skip
    rows = [
        (
            one["account"],
            one["name"],
            one["hint"],
            one["id"],
            "revoked" if one["revoked_at"] else one["expires_at"],
            ", ".join(one["addresses"]) or None,
            ", ".join(one["scopes"]),
        )
        for one in found
    ]
    head = ("account", "name", "key", "id", "ends", "addresses", "scopes")
    sandbox.show_table({"data": found}, head, rows, "There are no keys.")


@key.command()
@click.argument("account")
@click.option("--name", metavar="NAME", help="What its user calls it.")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="A scope, as pools:read; repeatable. Else all.")
@click.option("--address", "addresses", multiple=True, metavar="NETWORK", help="Where it may be used from; repeatable.")
@click.option("--expires", metavar="TIME", help="When it ends: 2026-01-05T08:00:00Z, or Unix seconds.")
@drives()
def create(
    sandbox: Sandbox,
    account: str,
    name: str | None,
    scopes: tuple[str, ...],
    addresses: tuple[str, ...],
    expires: str | None,
) -> None:
    """Give an ACCOUNT a key; shows it, this once."""
    ends = None if expires is None else number_or_text(expires)
    wish = given(name=name, scopes=scopes, addresses=addresses, expires_at=ends)
    answer = sandbox.in_world("POST", "accounts", account, "keys", body=wish)
    sandbox.show(answer, answer["key"])


@key.command()
@click.argument("key_id", metavar="ID")
@drives()
def revoke(sandbox: Sandbox, key_id: str) -> None:
    """Revoke a key, by its id, from the next call on."""
    sandbox.show(sandbox.in_world("DELETE", "keys", key_id), f"Key {key_id} opens nothing any more.")


@click.command()
@click.argument("account", required=False)
@click.argument("to", metavar="[vip|basic]", type=click.Choice(["vip", "basic"]), required=False)
@drives()
def tier(sandbox: Sandbox, account: str | None, to: str | None) -> None:
    """Show where accounts stand in their rate limit, or change the tier of an ACCOUNT."""
    if account is not None and to is not None:
        answer = sandbox.in_world("POST", "accounts", account, body={"tier": to})
        sandbox.show(answer, f"Account {account} is {to}: quotas at once, the rate limit from the next window on.")
        return
    answer = sandbox.in_world("GET", "accounts")
    answer["data"] = [one for one in answer["data"] if account in (None, one["name"])]
    if account is not None and not answer["data"]:
        raise ValueError(f"Account not found: {account}.")
    rows = [
        (one["name"], one["tier"], f"{one['window']['used']} of {one['window']['limit']}") for one in answer["data"]
    ]  # fmt: skip
    sandbox.show_table(answer, ("account", "tier", "requests in this window"), rows, "There are no accounts.")


@click.command()
@drives(world=False)
def magic(sandbox: Sandbox) -> None:
    """Pools, keys and workers with a fixed outcome."""
    answer = sandbox.call("GET", "magic")
    rows = [(one["kind"], one["value"], one["outcome"]) for one in answer["data"]]
    sandbox.show_table(answer, ("kind", "value", "outcome"), rows, "There are none.")
