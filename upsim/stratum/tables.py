"""Tables for people, made from the code they describe: what is checked per algorithm, and every behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from upsim.algorithms import ALGORITHMS, Algorithm, Dialect
from upsim.stratum.behaviours import BEHAVIOURS, Behaviour
from upsim.stratum.dialects import speech_of
from upsim.stratum.proof import HASHES

_STRUCTURE: Final[Mapping[Dialect, str]] = {
    Dialect.BITCOIN: "extranonce, time, version bits, nonce",
    Dialect.MONERO: "session, nonce, size of the result",
    Dialect.ETHEREUM: "nonce size; ETHPROXY: header echoed, mix digest's size",
    Dialect.ZCASH: "time, nonce and solution sizes",
    Dialect.VERUS: "time, nonce and solution sizes, solution version",
    Dialect.PROGPOW: "nonce prefix, header echoed, mix hash's size",
    Dialect.KASPA: "nonce size and prefix",
    Dialect.AUTOLYKOS: "extranonce, nonce made of both halves",
    Dialect.OCTOPUS: "nonce size, hash echoed",
    Dialect.NEXA: "extranonce echoed, time and nonce sizes",
}


def _work(algorithm: Algorithm) -> str:
    if algorithm.id in HASHES:
        return "**completely**: coinbase, merkle root, header, hash, target"
    match algorithm.dialect:
        case Dialect.MONERO:
            return "the claimed result against the target; RandomX is not computed"
        case Dialect.ZCASH:
            return "the target (double SHA-256 of header and solution); not that the solution solves"
        case _:
            return "not computed"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def algorithms_markdown() -> str:
    """Per algorithm: its dialect, what a share's form is checked for, how its work is checked, and its constant."""
    rows = [
        [
            f"`{algorithm.id}`",
            algorithm.coins,
            speech_of(algorithm).name,
            _STRUCTURE[algorithm.dialect],
            _work(algorithm),
            f"{algorithm.work_per_difficulty:,.10g} {algorithm.unit.removesuffix('/s')}",
        ]
        for algorithm in ALGORITHMS.values()
    ]
    return _markdown(
        [
            "algorithm",
            "coins",
            "dialect",
            "a share's form: job, size of every field, and",
            "its work",
            "per difficulty 1",
        ],
        rows,
    )


def behaviours_markdown() -> str:
    """Every behaviour: its name, what it does, and what a test of the pool says."""
    rows = []
    for behaviour in BEHAVIOURS.values():
        rows.append([f"`{behaviour.name}`", behaviour.summary, _finding(behaviour)])
    return _markdown(["behaviour", "on the wire", "what a pool test finds"], rows)


def _finding(behaviour: Behaviour) -> str:
    finding = behaviour.finding
    if finding.fails is None:
        said = f'passes; remarks "{finding.words}"' if finding.words else "passes"
    else:
        said = f'{finding.fails.value} fails: "…{finding.words}…"'
    others: dict[str, list[str]] = {}
    for dialect, other in behaviour.but.items():
        others.setdefault(f"{other.fails.value} fails" if other.fails else "passes", []).append(dialect.value)
    return said + "".join(f"; {', '.join(dialects)}: {what}" for what, dialects in others.items())


__all__ = ["algorithms_markdown", "behaviours_markdown"]
