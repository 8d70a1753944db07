"""Counts at a glance. Hashrates of different algorithms are never added: a hash of one is no hash of the other."""

from __future__ import annotations

from upsim.algorithms import ALGORITHMS
from upsim.clock import FOREVER, Instant
from upsim.model import Account
from upsim.records import dataclass
from upsim.rules.fleets import Fleet
from upsim.rules.measured import fleet_hashrate
from upsim.store.asking import PoolCounts
from upsim.world import World


@dataclass(frozen=True, slots=True)
class Block:
    """What there is of one algorithm; hashrate in its unit per second."""

    algorithm: str
    workers_total: int
    workers_online: int
    pools: PoolCounts
    hashrate: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts in all, and a block for each algorithm there is anything of.

    Attributes:
        until: the instant from which on they may differ, though nothing was changed.
    """

    blocks: tuple[Block, ...]
    until: Instant

    @property
    def workers_total(self) -> int:
        """All workers."""
        return sum(block.workers_total for block in self.blocks)

    @property
    def workers_online(self) -> int:
        """Those online."""
        return sum(block.workers_online for block in self.blocks)

    @property
    def pools(self) -> PoolCounts:
        """All pools."""
        return PoolCounts(
            sum(block.pools.total for block in self.blocks),
            sum(block.pools.healthy for block in self.blocks),
            sum(block.pools.unhealthy for block in self.blocks),
        )


def get_overview(world: World, account: Account) -> Overview:
    """The account's overview. Source: reference, GET /v1/overview."""
    now = world.now()
    pools = world.store.count_pools(world.id, account.id)
    mined = set(world.store.list_algorithms(world.id, account.id))
    blocks, until = [], FOREVER
    for algorithm in ALGORITHMS:
        if algorithm not in mined and algorithm not in pools:
            continue
        counts = pools.get(algorithm, PoolCounts(0, 0, 0))
        if algorithm in mined:
            fleet = Fleet.now(world, account, algorithm, now)
            found = fleet.reading(now)
            until = min(until, found.until)
            # Those that were retired, or are still to come, are in the lists as offline: so they count here.
            measured, valid = fleet_hashrate(world, account, algorithm, now)
            until = min(until, valid)
            blocks.append(Block(algorithm, fleet.listed, found.online, counts, found.hashrate + measured))
        else:
            blocks.append(Block(algorithm, 0, 0, counts, 0))
    return Overview(tuple(blocks), until)
