"""The fleet: believable hashrate of any worker at any time, as a function of seed and time. Nothing ticks or is kept.

Promises: the same question has the same answer everywhere; nothing of the future shows; what is summed equals its
parts; a fleet costs no more than a worker. Refuses: I/O, clocks, threads, floating point in anything that decides a
value.

What a store keeps:

- a worker's `Device` (from `device()`), its by-hand `Event`s, and its present cell (`cell_now`) as an indexed column,
  so that `status` is `cell IN down_cells(seed, now)`;
- for each profile and cell a `CellSum`, touched by every `Change` of `changes_of()`, and those changes by time:
  together they are the `FleetSums` that `series` and `fleet_reading` want.

For one worker: `reading` and `worker_series`. Profiles that mine less than they should are told by their `Trouble`s.
"""

from upsim.fleet.cells import (
    CELLS,
    DARK,
    FEEDS,
    KEPT_OFFLINE,
    RECORDED,
    SCHEDULED,
    cell_at,
    feed_of,
    flapping_cell,
    offline_cell,
    online_cell,
    site_of,
)
from upsim.fleet.device import WEIGHTS, Device, device
from upsim.fleet.hardware import HARDWARE, QUANTUM, Hardware, models_of
from upsim.fleet.history import (
    FULL,
    MAX_SCALE,
    Event,
    EventKind,
    History,
    Segment,
    cell_now,
    present_segment,
    segments,
)
from upsim.fleet.lived import lived
from upsim.fleet.outages import down_cells, observed_step
from upsim.fleet.reading import NO_TROUBLE, FleetReading, Reading, fleet_reading, reading
from upsim.fleet.recorded import (
    HOLD,
    Recording,
    RecordingError,
    Track,
    added,
    read_csv,
    read_json,
    recorded_reading,
    recorded_series,
)
from upsim.fleet.series import RANGES, Point, Range, Series, series, worker_series
from upsim.fleet.shares import Shares
from upsim.fleet.sums import COLUMNS, CellSum, Change, FleetSums, Snapshot, Tally, changes_of, merged, worth
from upsim.fleet.troubles import FAILOVER_MS, Trouble, failover, troubles_of

__all__ = [
    "CELLS",
    "COLUMNS",
    "DARK",
    "FAILOVER_MS",
    "FEEDS",
    "FULL",
    "HARDWARE",
    "HOLD",
    "KEPT_OFFLINE",
    "MAX_SCALE",
    "NO_TROUBLE",
    "QUANTUM",
    "RANGES",
    "RECORDED",
    "SCHEDULED",
    "WEIGHTS",
    "CellSum",
    "Change",
    "Device",
    "Event",
    "EventKind",
    "FleetReading",
    "FleetSums",
    "Hardware",
    "History",
    "Point",
    "Range",
    "Reading",
    "Recording",
    "RecordingError",
    "Segment",
    "Series",
    "Shares",
    "Snapshot",
    "Tally",
    "Track",
    "Trouble",
    "added",
    "cell_at",
    "cell_now",
    "changes_of",
    "device",
    "down_cells",
    "failover",
    "feed_of",
    "flapping_cell",
    "fleet_reading",
    "lived",
    "merged",
    "models_of",
    "observed_step",
    "offline_cell",
    "online_cell",
    "present_segment",
    "read_csv",
    "read_json",
    "reading",
    "recorded_reading",
    "recorded_series",
    "segments",
    "series",
    "site_of",
    "troubles_of",
    "worker_series",
    "worth",
]
