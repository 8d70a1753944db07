"""Opens the Stratum door that the settings ask for, and sees to what a door that is gone left behind."""

from __future__ import annotations

from functools import partial

from upsim.config import Config
from upsim.errors import ConfigError
from upsim.proxy.door import StratumDoor
from upsim.rules.behaviours import take_behaviour
from upsim.rules.worlds import DEFAULT
from upsim.world import Universe


def open_stratum(config: Config, universe: Universe) -> StratumDoor:
    """A door with the ports that were asked for.

    Raises:
        ConfigError: a port cannot be had.
    """
    door = StratumDoor(
        universe,
        partial(take_behaviour, universe.store),
        near=not config.sandbox,
        far=config.pool_network == "real",
        deadline_s=config.pool_timeout,
        # In a public sandbox every visitor has a world, and the default one is nobody's.
        default=None if config.sandbox else DEFAULT,
    )
    try:
        for algorithm, port in config.stratum:
            try:
                door.open(algorithm, port, config.host)
            except OSError as error:
                raise ConfigError(
                    f"stratum: cannot listen on {config.host}:{port}: {error.strerror or error}. Choose another port."
                ) from error
    except BaseException:
        door.close()
        raise
    return door
