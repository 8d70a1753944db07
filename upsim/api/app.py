"""The simulated API on the app: its routes are the spec's operations, its handlers the functions of their names.

The way of a call: key, address, rate limit (admission), faults, then scope, parameters, one rule, JSON; and its line in
the journal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Flask, Response, g, request

from upsim.api import admission, injected, limits, overview, pools, profiles, record, workers
from upsim.api.call import Call
from upsim.api.counting import Outside
from upsim.config import Config
from upsim.errors import AddressRefused, CapReached, InvalidKey, ScopeMissing
from upsim.rules.worlds import cap_of, is_over
from upsim.spec import API, Operation
from upsim.web import params
from upsim.web.app import View, add_document, add_operations
from upsim.web.reply import Reply
from upsim.world import Universe

PREFIX: Final = "/v1"

CALLER_ADDRESS: Final = "X-Upsim-Caller-Address"
"""Where a call says it comes from, believed only in a world that was told to."""

Handler = Callable[[Call], Reply]

HANDLERS: Final[Mapping[str, Handler]] = {
    handler.__name__: handler
    for handler in (
        overview.get_overview,
        workers.list_workers,
        workers.get_worker,
        workers.get_worker_hashrate,
        workers.get_workers_hashrate,
        workers.bulk_assign_workers,
        pools.list_pools,
        pools.get_pool,
        pools.create_pool,
        pools.update_pool,
        pools.delete_pool,
        pools.test_pool,
        profiles.list_profiles,
        profiles.create_profile,
        profiles.update_profile,
        profiles.delete_profile,
        profiles.set_default_profile,
        profiles.get_default_profile,
    )
}
"""What answers each operation, by operationId."""


def install(app: Flask, universe: Universe, config: Config, outside: Outside | None = None) -> None:
    """Put the simulated API on the app.

    Args:
        outside: where requests are counted, if not in the store.
    """

    def admit() -> None:
        if not (request.path == PREFIX or request.path.startswith(PREFIX + "/")):
            return
        g.began = time.perf_counter()
        caller = admission.find_caller(universe.store, admission.key_of(request))
        wall = universe.wall.now()
        if is_over(caller.world, wall):
            raise InvalidKey
        world = universe.world(caller.world)
        g.world, g.known = world, caller  # from here on its world's journal tells of the call
        now = g.now = world.now()  # one instant for key, window, headers and journal
        admission.check_open(caller, now)
        if caller.world.options.get("caller_address") and CALLER_ADDRESS in request.headers:
            address = request.headers[CALLER_ADDRESS]
        else:
            address = admission.client_address(
                request.remote_addr or "", request.headers.getlist("X-Forwarded-For"), config.trusted_proxy
            )
        try:
            admission.check_address(caller, address)
        except AddressRefused as refusal:
            g.refusal = refusal
        limits.begin(caller, now)

    def refuse() -> Response | None:
        if "caller" not in g:
            return None
        # Only now, so that the call is counted and told about as any other; it is never refused for its number.
        if "refusal" in g:
            raise g.refusal
        cap = cap_of(g.world.record, "calls")
        if cap is not None and universe.store.next_number(g.world.id, "calls") >= cap:
            raise CapReached("calls", cap)
        return injected.before()

    def finish(response: Response) -> Response:
        if "began" not in g:
            return response
        standing = limits.standing()
        if standing is not None:
            standing.write(response)
        response = injected.after(response)
        record.write(universe, response, untold)
        return response

    untold = record.Untold()
    app.before_request(admit)
    limits.install(app, universe.store, outside, refuse=config.rate_limit)
    app.before_request(refuse)
    app.after_request(finish)
    add_operations(app, API, HANDLERS, _view)
    add_document(app, API, "/openapi")


def _view(operation: Operation, handler: Handler) -> View:
    def answer(**path: Any) -> Response:
        if operation.scope not in g.caller.key.scopes:
            raise ScopeMissing(operation.scope, sorted(g.caller.key.scopes))
        g.input = params.read(operation, path, request)
        return handler(Call(g.world, g.caller.account, g.input)).response()

    return answer
