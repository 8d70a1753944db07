"""Where a worker stands, as one small integer: what fails together shares a cell.

The first 512 cells are slots in a tree, site(4) x rack(16) x slot(8), and go down by the seed's schedule (outages.py).
Behind them lie the cells of workers that somebody moved by hand: flapping, kept online, kept offline. So whether a
worker is online is a question about its cell alone, which a store answers for a whole fleet with one look at a column.
"""

from __future__ import annotations

from typing import Final

SITES: Final = 4
RACKS: Final = 16
"""Racks of a site."""
SLOTS: Final = 8
"""Slots of a rack."""

SCHEDULED: Final = SITES * RACKS * SLOTS
"""Cells below this one follow the seed's outages: 512."""
FLAPPING: Final = SCHEDULED
"""From here, cells that go down and up again all the time: eight rhythms for each site."""
KEPT_ONLINE: Final = FLAPPING + SITES * SLOTS
"""From here, one cell for each site that no outage reaches."""
KEPT_OFFLINE: Final = KEPT_ONLINE + SITES
"""From here, one cell for each site that is never up."""
CELLS: Final = KEPT_OFFLINE + SITES
"""How many cells there are: each is 0 <= cell < CELLS."""

RECORDED: Final = CELLS
"""Behind all cells: where workers stand whose recorded readings say what they do. No schedule knows it."""

FEEDS: Final = 2 * SITES + 1
"""How many groups of cells the sums of a fleet are kept in: see feed_of."""
DARK: Final = FEEDS - 1
"""The feed of the workers kept offline."""


def cell_at(site: int, rack: int, slot: int) -> int:
    """The scheduled cell of a position, each number counted from 0.

    Raises:
        ValueError: if there is no such position.
    """
    for name, value, limit in (("site", site, SITES), ("rack", rack, RACKS), ("slot", slot, SLOTS)):
        if not 0 <= value < limit:
            raise ValueError(f"{name} is {value}; give a number from 0 to {limit - 1}")
    return (site * RACKS + rack) * SLOTS + slot


def site_of(cell: int) -> int:
    """The site a cell lies in, 0 to 3: it decides the curves a worker follows."""
    if cell < FLAPPING:
        return cell // (RACKS * SLOTS)
    if cell < KEPT_ONLINE:
        return (cell - FLAPPING) // SLOTS
    return (cell - KEPT_ONLINE) % SITES


def rack_of(cell: int) -> int:
    """The rack of a scheduled cell, counted through all sites: 0 to 63."""
    return cell // SLOTS


def flapping_cell(home: int) -> int:
    """The cell of a worker that flaps, by the scheduled cell it stands in."""
    return FLAPPING + site_of(home) * SLOTS + home % SLOTS


def online_cell(home: int) -> int:
    """The cell of a worker kept online, by the scheduled cell it stands in."""
    return KEPT_ONLINE + site_of(home)


def offline_cell(home: int) -> int:
    """The cell of a worker kept offline, by the scheduled cell it stands in."""
    return KEPT_OFFLINE + site_of(home)


def feed_of(cell: int) -> int:
    """What a cell's hashrate is fed by.

    0 to 3 are the sites as they run, with the outages of network and site in them; 4 to 7 the same sites' curves with
    no outage at all, for workers moved by hand; DARK (8) is nothing. A fleet's sums by feed, and those of the few cells
    that are down, are all that its hashrate takes. RECORDED has a number behind all feeds, and feeds nothing.
    """
    if cell < SCHEDULED:
        return site_of(cell)
    if cell < KEPT_OFFLINE:
        return SITES + site_of(cell)
    return DARK if cell < CELLS else FEEDS
