"""Refusals: exceptions that carry facts and say, in their own words, what was wrong and what to do.

They know neither HTTP nor Stratum: each edge owns a table from these classes to its own codes.
"""

from __future__ import annotations

from collections.abc import Sequence


class UpsimError(Exception):
    """Any refusal of a request that reached a rule. Its text is meant for the caller."""


class Unauthenticated(UpsimError):
    """No key, or one that opens nothing."""


class MissingKey(Unauthenticated):
    """The request carries no API key."""

    def __init__(self) -> None:
        super().__init__("API key missing: send it as 'X-API-Key: up_k_…' or 'Authorization: Bearer up_k_…'.")


class InvalidKey(Unauthenticated):
    """The key is unknown, revoked or expired."""

    def __init__(self, why: str = "not known") -> None:
        super().__init__(f"API key {why}: create one under Settings → API Keys and send it as 'X-API-Key'.")


class AddressRefused(UpsimError):
    """The key may not be used from this address."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"IP address {address} is not on this API key's whitelist: use a listed address or another key."
        )


class RateLimited(UpsimError):
    """The user's requests for this window are spent."""

    def __init__(self, limit: int, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(
            f"Rate limit of {limit} requests per minute exceeded (all of the user's keys together): "
            f"try again in {retry_after_s} s."
        )


class ScopeMissing(UpsimError):
    """The key lacks the scope that the call needs."""

    def __init__(self, scope: str, held: Sequence[str]) -> None:
        has = ", ".join(held) or "none"
        super().__init__(f"API key lacks the scope '{scope}' (it has: {has}).")


class InvalidInput(UpsimError):
    """A part of the request is not what it has to be."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        super().__init__(f"{field}: {problem}")


class PoolTestFailed(InvalidInput):
    """The pool did not pass its test, so nothing was saved."""

    def __init__(self, stage: str, reason: str) -> None:
        self.stage = stage
        super().__init__(stage, f"the pool's test failed at this stage, nothing was saved: {reason}")


class NotFound(UpsimError):
    """Nothing of that kind and id belongs to the caller. Another user's is not told from none."""

    def __init__(self, kind: str, *ids: str) -> None:
        self.kind = kind
        shown = ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
        super().__init__(f"{kind} not found: {shown}.")


class NoDefaultProfile(NotFound):
    """The user has no profile for the algorithm."""

    def __init__(self, algorithm: str) -> None:
        super().__init__("Default profile", f"no profile for the algorithm {algorithm} exists; create one first")


class Conflict(UpsimError):
    """The request is sound, but the present state forbids it."""


class PoolInUse(Conflict):
    """Profiles hold the pool."""

    def __init__(self, profiles: Sequence[str], wish: str) -> None:
        names = ", ".join(repr(name) for name in profiles[:5]) + (" …" if len(profiles) > 5 else "")
        super().__init__(f"Pool is in use, it cannot be {wish}: take it out of profile {names} first.")


class DefaultProfileKept(Conflict):
    """The default profile cannot go or change its algorithm."""

    def __init__(self, name: str, wish: str) -> None:
        super().__init__(
            f"Profile {name!r} is the default of its algorithm, it cannot be {wish}: make another the default first."
        )


class ProfileHasWorkers(Conflict):
    """Workers mine on the profile, so its algorithm stays."""

    def __init__(self, name: str, workers: int) -> None:
        super().__init__(
            f"algorithm: profile {name!r} has {workers} worker(s) of its algorithm: assign them elsewhere first."
        )


class ChangedMeanwhile(Conflict):
    """Another request changed the same thing at the same time."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} was changed by another request at the same time, nothing was saved: read it and try again."
        )


class AlreadyExists(Conflict):
    """Something of that name is there already."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name!r} exists already.")


class QuotaExceeded(UpsimError):
    """The account's tier allows no more of these."""

    def __init__(self, kind: str, limit: int, algorithm: str | None = None) -> None:
        per = f" for the algorithm {algorithm}" if algorithm else ""
        super().__init__(f"This tier allows {limit} {kind}{per}, and they are all taken: delete one or move to VIP.")


class CapReached(QuotaExceeded):
    """The world was given a cap, and it is reached."""

    def __init__(self, what: str, cap: int) -> None:
        UpsimError.__init__(self, f"This world was capped at {cap} {what}, and they are spent: ask for a fresh world.")


class StoreUnavailable(UpsimError):
    """The database does not answer; nothing was acknowledged."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(f"The store does not answer, nothing was acknowledged: {detail}. Try again shortly.")


class CountingUnavailable(StoreUnavailable):
    """The storage that counts requests does not answer; the request was not looked at any further."""

    def __init__(self, detail: str) -> None:
        self.detail = detail
        UpsimError.__init__(
            self,
            f"Requests cannot be counted, so none is answered, and nothing was done: the limits storage does not"
            f" answer ({detail}). Try again shortly.",
        )


class StoreNotWritable(StoreUnavailable):
    """The database takes no writes for now; what is in it can be read."""

    def __init__(self, detail: str, until: str) -> None:
        self.detail = detail
        UpsimError.__init__(
            self,
            f"The store cannot be written, nothing was changed: {detail}. Reads go on; try again once {until}.",
        )


class ConfigError(UpsimError):
    """A setting that cannot be used; said in one line at start."""
