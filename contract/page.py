# ruff: noqa: E501 - a line of HTML or CSS is easier to read whole
"""The report as one HTML page that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from .clauses import AREAS, Level
from .reports import LEVELS, Summary, grouped
from .results import Finding, Verdict

STYLE = """
:root { --ink:#1b1f24; --soft:#5b6470; --line:#dfe3e8; --back:#f6f7f9; --card:#fff; --good:#1a7f4b; --bad:#c62f2f; --odd:#9a6700; --none:#8a93a0 }
@media (prefers-color-scheme: dark) { :root { --ink:#e8eaed; --soft:#a3acb8; --line:#363d47; --back:#15181c; --card:#1e2227; --good:#4cc38a; --bad:#ff7b72; --odd:#e3b341; --none:#7d8590 } }
* { box-sizing:border-box }
body { margin:0; background:var(--back); color:var(--ink); font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif }
main { max-width:64rem; margin:0 auto; padding:1.5rem 1rem 4rem }
h1 { font-size:1.35rem; margin:0 } h2 { font-size:1.1rem; margin:2.2rem 0 .6rem }
.sub { color:var(--soft); margin:.2rem 0 1.2rem; overflow-wrap:anywhere }
.verdict { border-left:6px solid var(--good); background:var(--card); padding:1rem 1.2rem; border-radius:6px; font-size:1.15rem; font-weight:600 }
.verdict.bad { border-color:var(--bad) } .verdict.none { border-color:var(--odd) }
.verdict small { display:block; font-weight:400; font-size:.9rem; color:var(--soft); margin-top:.3rem }
.wide { overflow-x:auto; background:var(--card); border-radius:6px; border:1px solid var(--line) }
table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums }
th,td { padding:.45rem .8rem; text-align:left; border-bottom:1px solid var(--line); white-space:nowrap } tr:last-child td { border-bottom:0 } td.t { white-space:normal; min-width:8rem }
th { font-weight:600; font-size:.85rem; color:var(--soft) } td.n,th.n { text-align:right }
.good { color:var(--good) } .bad { color:var(--bad) } .odd { color:var(--odd) } .none { color:var(--none) }
.bar { display:inline-block; width:6rem; height:.6rem; border-radius:3px; background:var(--bad); overflow:hidden; vertical-align:middle; margin-right:.5rem } .bar i { display:block; height:100%; background:var(--good) } .bar.empty { background:var(--line) }
details { background:var(--card); border:1px solid var(--line); border-radius:6px; margin:.5rem 0 } summary { cursor:pointer; padding:.6rem .9rem; overflow-wrap:anywhere } summary code { font-weight:600 }
details > div { padding:0 .9rem .9rem } dl { display:grid; grid-template-columns:6rem 1fr; gap:.25rem .8rem; margin:.4rem 0 } dt { color:var(--soft) } dd { margin:0; overflow-wrap:anywhere }
@media (max-width:34rem) { dl { grid-template-columns:1fr } dt { margin-top:.4rem; font-size:.85rem } .s { display:none } table { font-size:.9rem } th,td { padding:.4rem .4rem } td.t { min-width:5rem } }
pre { background:var(--back); border:1px solid var(--line); border-radius:4px; padding:.6rem; overflow-x:auto; font-size:.82rem; margin:.3rem 0; max-height:16rem; overflow-y:auto; white-space:pre-wrap; overflow-wrap:anywhere }
code { font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace; font-size:.9em } ul { padding-left:1.2rem } li { margin:.2rem 0; overflow-wrap:anywhere }
.tag { font-size:.75rem; border:1px solid var(--line); border-radius:9px; padding:.05rem .5rem; color:var(--soft); white-space:nowrap }
""".strip()

EXPLAINED = {
    Level.DOCUMENTED: "the vendor's public reference says so",
    Level.OBSERVED: "the vendor's own client does so",
    Level.ASSUMED: "both are silent; a reasonable decision",
}


def as_html(summary: Summary) -> str:
    """The whole page."""
    return "\n".join(_page(summary)) + "\n"


def _page(summary: Summary) -> Iterator[str]:
    title = "API conformance report"
    yield f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>'
    yield f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n<body>\n<main>'
    yield f"<h1>{title}</h1>"
    yield f'<p class="sub">Ultimate Proxy API, reference version 1.0 · tested at <code>{escape(summary.target)}</code></p>'
    kind = {0: "", 1: " bad", 2: " none"}[summary.exit_code]
    outcome = summary.outcome
    yield f'<div class="verdict{kind}">{escape(summary.sentence)}<small>{outcome.calls:,} requests were made. '
    yield f"Differences from what is <b>{escape(_counted(summary.level))}</b> count as failures.</small></div>"
    yield "<h2>Where the clauses come from, and how many hold</h2>"
    yield "<p class=sub>The API is described in clauses, one sentence each, and each was tried on the running service with ordinary requests. What a difference means depends on where the clause comes from:</p>"
    yield from _levels(summary)
    yield "<h2>By part of the API</h2>"
    yield from _areas(summary)
    for heading, findings, colour in (
        ("Differences", summary.failing, "bad"),
        ("Assumptions that do not match", summary.noted, "odd"),
    ):
        if findings:
            yield f"<h2>{heading} ({len(findings)})</h2>"
            if colour == "odd":
                yield "<p class=sub>Neither the reference nor the client says how this is; they do not count as failures.</p>"
            for one in findings:
                yield from _difference(one, colour)
    unseen = outcome.ledger.with_verdict(Verdict.NOT_VERIFIED)
    if unseen:
        yield f"<h2>Not verified ({len(unseen)})</h2><ul>"
        for reason, names in grouped(unseen):
            listed = ", ".join(f"<code>{escape(name)}</code>" for name in names)
            yield f"<li>{escape(reason)}: {listed}</li>"
        yield "</ul>"
    if outcome.left_behind:
        yield "<h2>Left behind on the target</h2><ul>"
        yield from (f"<li>{escape(what)}</li>" for what in outcome.left_behind)
        yield "</ul>"
    yield "<h2>Every clause</h2>"
    for area in AREAS:
        yield from _clauses(summary, area)
    yield "</main>\n</body>\n</html>"


def _counted(level: Level) -> str:
    words = [one.word for one in LEVELS if one >= level]
    return " or ".join(words)


def _levels(summary: Summary) -> Iterator[str]:
    yield '<div class="wide"><table><tr><th>level</th><th>what it means</th><th class="n">hold</th><th class="n">differ</th><th class="n">unchecked</th><th class="s">share that holds</th></tr>'
    for level in LEVELS:
        yield f'<tr><td>{level.word}</td><td class="t">{escape(EXPLAINED[level])}</td>{_cells(summary, None, level)}</tr>'
    yield "</table></div>"


def _areas(summary: Summary) -> Iterator[str]:
    yield '<div class="wide"><table><tr><th>part</th><th class="n">hold</th><th class="n">differ</th><th class="n">unchecked</th><th class="s">share that holds</th></tr>'
    for area in AREAS:
        yield f"<tr><td>{escape(area)}</td>{_cells(summary, area, None)}</tr>"
    yield f"<tr><td><b>all</b></td>{_cells(summary, None, None)}</tr></table></div>"


def _cells(summary: Summary, area: str | None, level: Level | None) -> str:
    holds = summary.count(area, level, Verdict.HOLDS)
    differs = summary.count(area, level, Verdict.DIFFERS)
    unseen = summary.count(area, level, Verdict.NOT_VERIFIED, Verdict.NOT_OBSERVABLE)
    if holds + differs:
        share = 100 * holds / (holds + differs)
        # Rounded down: 100 % is said only where nothing differs.
        bar = f'<span class="bar"><i style="width:{share:.0f}%"></i></span>{int(share * 10) / 10:g} %'
    else:
        bar = '<span class="bar empty"></span>—'
    bad = ' class="n bad"' if differs else ' class="n"'
    return f'<td class="n">{holds}</td><td{bad}>{differs}</td><td class="n">{unseen}</td><td class="s">{bar}</td>'


def _difference(one: Finding, colour: str) -> Iterator[str]:
    clause = one.clause
    yield f'<details open><summary><span class="{colour}">✕</span> <code>{escape(clause.id)}</code> <span class="tag">{clause.level.word}</span> {escape(clause.statement)}</summary><div>'
    yield f"<p class=sub>Source: {escape(clause.source)}. {one.failed} of {one.observations} looks differ.</p>"
    for found in one.differences[:2]:
        yield f"<dl><dt>expected</dt><dd>{escape(found.expected)}</dd><dt>got</dt><dd>{escape(found.got)}</dd>"
        if found.exchange is not None:
            call = f"{found.exchange['method']} {found.exchange['url']}"
            status = found.exchange["status"] or found.exchange["trouble"]
            yield f"<dt>call</dt><dd><code>{escape(call)}</code> → {escape(str(status))}</dd></dl>"
            headers = "\n".join(f"{name}: {value}" for name, value in found.exchange["headers"].items())
            yield f"<pre>{escape(headers)}\n\n{escape(found.exchange['body'])}</pre>"
            yield f"<pre>{escape(found.exchange['curl'])}</pre>"
        else:
            yield "</dl>"
    yield "</div></details>"


def _clauses(summary: Summary, area: str) -> Iterator[str]:
    findings = [one for one in summary.outcome.ledger.findings.values() if one.clause.area == area]
    signs = {
        Verdict.HOLDS: ("good", "✓"),
        Verdict.DIFFERS: ("bad", "✕"),
        Verdict.NOT_VERIFIED: ("none", "○"),
        Verdict.NOT_OBSERVABLE: ("none", "—"),
    }
    held = sum(one.verdict is Verdict.HOLDS for one in findings)
    yield f"<details><summary>{escape(area)}: {held} of {len(findings)} hold</summary><div><ul>"
    for one in findings:
        colour, sign = signs[one.verdict]
        reason = f" <i>({escape(one.verdict)}: {escape(one.reason)})</i>" if colour == "none" else ""
        yield f'<li><span class="{colour}">{sign}</span> {escape(one.clause.statement)} <span class="tag">{one.clause.level.word}</span> <code>{escape(one.clause.id)}</code>{reason}</li>'
    yield "</ul></div></details>"
