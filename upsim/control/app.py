"""The control plane on the app: its routes are its own spec's operations, its handlers the functions of their names.

Its prefix is one that the simulated service can never own. No API key opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, request

from upsim.control import PREFIX, WORLDS, about, accounts, effects, guard, miners, state, worlds
from upsim.control.call import ControlCall, Controls
from upsim.errors import UpsimError
from upsim.spec import CONTROL, Operation
from upsim.web import errors, params
from upsim.web.app import View, add_document, add_operations
from upsim.web.reply import Reply
from upsim.world import Universe

MAX_WORLD_BYTES: Final = 64 << 20
"""How large a downloaded world may be that is loaded."""

READY: Final = f"{PREFIX}/ready"
"""What anybody may ask."""

Handler = Callable[[ControlCall], Reply | state.Exposition]

HANDLERS: Final[Mapping[str, Handler]] = {
    handler.__name__: handler
    for handler in (
        about.get_about,
        about.create_visit,
        state.get_health,
        state.get_ready,
        state.get_metrics,
        state.get_magic,
        worlds.list_worlds,
        worlds.create_world,
        worlds.get_world,
        worlds.delete_world,
        worlds.reset_world,
        worlds.change_options,
        worlds.get_clock,
        worlds.change_clock,
        worlds.list_snapshots,
        worlds.save_snapshot,
        worlds.delete_snapshot,
        worlds.restore_snapshot,
        worlds.download_world,
        accounts.list_accounts,
        accounts.create_account,
        accounts.change_account,
        accounts.look,
        accounts.list_keys,
        accounts.create_key,
        accounts.revoke_key,
        accounts.spawn_workers,
        accounts.change_workers,
        miners.list_miners,
        effects.list_faults,
        effects.add_fault,
        effects.remove_fault,
        effects.remove_faults,
        effects.list_behaviours,
        effects.put_behaviour,
        effects.list_entries,
        effects.clear_journal,
        effects.count_entries,
        effects.verify_entries,
    )
}
"""What answers each operation, by operationId."""


def install(app: Flask, universe: Universe, controls: Controls) -> None:
    """Put the control plane on the app."""

    def admit() -> None:
        if request.path == READY:
            return  # a load balancer has no token, and is told no more than yes or no
        if request.path == PREFIX or request.path.startswith(PREFIX + "/"):
            guard.check(request, controls.token, controls.visits.may_drive if controls.visits else None)
            if request.path == WORLDS:
                request.max_content_length = MAX_WORLD_BYTES

    def view(operation: Operation, handler: Handler) -> View:
        def answer(**path: Any) -> Response:
            asked = params.read(operation, path, request)
            return handler(ControlCall(universe, asked, controls, request)).response()

        return answer

    app.before_request(admit)
    app.register_error_handler(guard.TokenMissing, _unauthorized)
    app.register_error_handler(guard.ForeignOrigin, _forbidden)
    add_operations(app, CONTROL, HANDLERS, view)
    add_document(app, CONTROL, f"{PREFIX}/openapi")


def _unauthorized(error: UpsimError) -> Response:
    response = errors.error_response(HTTPStatus.UNAUTHORIZED, str(error))
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _forbidden(error: UpsimError) -> Response:
    return errors.error_response(HTTPStatus.FORBIDDEN, str(error))
