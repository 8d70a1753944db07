"""Faults as the caller meets them: what a fault of the world does to the answer of a call it strikes."""

from __future__ import annotations

import json
import time
from http import HTTPStatus

from flask import Response

from upsim.api.passage import Passage
from upsim.rules.faults import Fault, strike
from upsim.web.answer import Answer
from upsim.web.errors import error_response


def before(call: Passage) -> Answer | None:
    """Look whether a fault strikes this call, and wait as long as it says; an answer in place of the call's own."""
    found = strike(call.landed, call.method, call.path, call.caller.account.name)
    if found is None:
        return None
    call.fault = found.fault
    if found.wait_ms:
        time.sleep(found.wait_ms / 1000)
    if found.fault.after or found.fault.effect not in ("status", "drop"):
        return None
    return Answer("200 OK", [], b"", 0) if found.fault.effect == "drop" else _status(found.fault)


def after(call: Passage, answer: Answer) -> Answer:
    """The answer as the fault leaves it."""
    fault = call.fault
    if fault is None or fault.effect == "latency":
        return answer
    if fault.effect == "status":
        return _status(fault) if fault.after else answer
    body = answer.body
    if fault.effect in ("drop", "cut"):
        # It promises what it would have sent.
        answer.length, answer.breaks_off = len(body) or 1, True
        answer.body = b"" if fault.effect == "drop" else body[: len(body) // 2]
    elif fault.effect == "malformed":
        answer.replace_body(body[: max(1, len(body) * 2 // 3)] + b'"')
    else:
        rest = [field for field in answer.fields if field[0] != "Content-Type"]
        answer.fields = [*rest, ("Content-Type", "text/html; charset=utf-8")]
    return answer


def _status(fault: Fault) -> Answer:
    if fault.body is None:
        name = HTTPStatus(fault.status).phrase if fault.status in _KNOWN else "injected"
        message = f"Fault {fault.id}, injected by the simulator: {fault.status} {name}."
        return Answer.of(error_response(fault.status, message))
    return Answer.of(Response(json.dumps(fault.body), fault.status, content_type="application/json"))


_KNOWN = frozenset(HTTPStatus)
