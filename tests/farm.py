"""What the vendor's own client is let loose on: one user with many workers of one algorithm and two profiles."""

from __future__ import annotations

from pathlib import Path

_FARM = """
description: "One user with a whole farm."
opened: "2025-01-20"
accounts:
  - name: farm
    tier: vip
    keys: [{key: up_k_vipFirst, scopes: ["workers:read", "workers:write", "profiles:write"]}]
    pools:
      - {name: one, algorithm: randomx, host: one.example, port: 5555, username: wallet}
      - {name: two, algorithm: randomx, host: two.example, port: 5555, username: wallet}
    profiles:
      - {name: first, pools: [one]}
      - {name: second, pools: [two]}
    workers:
      - {name: "cpu-{n:04}", count: COUNT, model: ryzen-7950x, profile: first}
"""


def write_farm(folder: Path, workers: int) -> Path:
    """Write its fixture, with so many workers; its key has the three scopes that the client's documentation names."""
    file = folder / "farm.yaml"
    file.write_text(_FARM.replace("COUNT", str(workers)))
    return file
