"""`upsim serve`: one server, or a crew of processes; the file and the lines that say when it answers, and where."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from upsim.config import Config
from upsim.documents import write_atomically
from upsim.errors import ConfigError
from upsim.serve import Opened, Server, collect_from_now_on


def serve(config: Config, announce: Callable[[Opened], None]) -> None:
    """Run until told to stop; calls `announce` once it can answer.

    Raises:
        ConfigError: a setting cannot be used.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="upsim: %(message)s")

    def tell(opened: Opened) -> None:
        collect_from_now_on()
        if config.ready_file is not None:
            _write_ready_file(config, opened)
        announce(opened)

    if config.ready_file is not None:
        with suppress(OSError):  # what is amiss with its place is said when it is written
            config.ready_file.unlink()  # who waits for it shall not read an earlier life's
    if config.processes > 1:
        from upsim.crew import serve_together

        serve_together(config, tell)
        return
    server = Server(config, fresh=True)
    try:
        url = server.listen()
        tell(server.opened(url))
        server.heed_sigterm()
        server.run()
    finally:
        server.close()


def _write_ready_file(config: Config, opened: Opened) -> None:
    path = config.ready_file
    assert path is not None  # noqa: S101 - asked for by the caller
    content = {
        "url": opened.url,
        "ca": opened.authority,
        "pid": os.getpid(),
        "admin_token": opened.admin_token,
        "accounts": [
            {"name": login.account, "tier": login.tier, "key": login.key, "scopes": login.scopes}
            for login in opened.logins
        ],
        "pools": [{"algorithm": port.algorithm, "url": port.url} for port in opened.pool_ports],
        "stratum": [{"algorithm": port.algorithm, "url": port.url} for port in opened.stratum],
    }
    try:
        write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
    except OSError as error:
        raise ConfigError(f"ready-file: cannot write {path}: {error.strerror or error}.") from error
