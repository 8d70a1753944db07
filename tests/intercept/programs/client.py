"""The vendor client's four calls with urllib, requests or httpx, its address built in. Knows nothing of upsim.

python client.py LIBRARY PROFILE ELSEWHERE: says how a call to ELSEWHERE fails, then moves every worker to PROFILE.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

BASE = "https://api.ultimate-proxy.com"
HEADERS = {"X-API-Key": os.environ["UP_API_KEY"]}

Call = Callable[[str, str, Any], Any]


def with_urllib(method: str, url: str, body: Any = None) -> Any:
    headers = HEADERS if body is None else {**HEADERS, "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=content, headers=headers, method=method)  # noqa: S310 - https, see BASE
    with urllib.request.urlopen(request, timeout=15) as answer:  # noqa: S310 - likewise
        return json.load(answer)


def with_requests() -> Call:
    import requests

    session = requests.Session()

    def call(method: str, url: str, body: Any = None) -> Any:
        answer = session.request(method, url, json=body, headers=HEADERS, timeout=15)
        answer.raise_for_status()
        return answer.json()

    return call


def with_httpx() -> Call:
    import httpx

    client = httpx.Client(headers=HEADERS, timeout=15)

    def call(method: str, url: str, body: Any = None) -> Any:
        answer = client.request(method, url, json=body)
        answer.raise_for_status()
        return answer.json()

    return call


def main(library: str, profile: str, elsewhere: str) -> None:
    call: Any = {"urllib": lambda: with_urllib, "requests": with_requests, "httpx": with_httpx}[library]()
    try:
        call("GET", elsewhere)
    except Exception as problem:
        print(problem)
    call("GET", f"{BASE}/v1/workers/hashrate?algorithm=randomx&timeRange=1h")
    call("POST", f"{BASE}/v1/profiles/{profile}/default")
    ids: list[str] = []
    page, pages = 1, 1
    while page <= pages:
        found = call("GET", f"{BASE}/v1/workers?page={page}&limit=100&algorithm=randomx")
        ids += [worker["_id"] for worker in found["data"]]
        page, pages = page + 1, found["pagination"]["total_pages"]
    call("POST", f"{BASE}/v1/workers/bulk-assign", {"worker_ids": ids, "profile_id": profile})
    print("moved", len(ids))


if __name__ == "__main__":
    main(*sys.argv[1:])
