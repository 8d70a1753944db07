"""The fleet: believable hashrate of any worker at any time, as a function of seed and time. Nothing ticks or is kept.

Promises: the same question has the same answer everywhere; nothing of the future shows; what is summed equals its
parts; a fleet costs no more than a worker. Refuses: I/O, clocks, threads, floating point in anything that decides a
value.

What a store keeps:

- a worker's `Device` (device.py's `device()`), its by-hand `Event`s, and its present cell (history.py's `cell_now`) as
  an indexed column, so that `status` is outages.py's `cell IN down_cells(seed, now)`;
- for each profile and cell a `CellSum` of sums.py, touched by every `Change` of `changes_of()`, and those changes by
  time: together they are the `FleetSums` that series.py's `series` and reading.py's `fleet_reading` want.

For one worker: `reading` (or machine.py's `Machine`, read again and again) and `worker_series`. Profiles that mine less
than they should are told by their `Trouble`s, of troubles.py. Each name is imported from its own room: nobody waits for
the others.
"""
