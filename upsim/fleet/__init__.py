"""The fleet: believable hashrate of any worker at any time, as a function of seed and time. Nothing ticks or is kept.

Promises: the same question has the same answer everywhere; nothing of the future shows; what is summed equals its
parts; a fleet costs no more than a worker. Refuses: I/O, clocks, threads, floating point in anything that decides a
value.

What a store keeps:

- a worker's `Device` (from `device()`), its by-hand `Event`s, and its present cell (`cell_now`) as an indexed column,
  so that `status` is `cell IN down_cells(seed, now)`;
- for each profile and cell a `CellSum`, touched by every `Change` of `changes_of()`, and those changes by time:
  together they are the `FleetSums` that `series` and `fleet_reading` want.

For one worker: `reading` (or a `Machine`, read again and again) and `worker_series`. Profiles that mine less than they
should are told by their `Trouble`s.
"""
