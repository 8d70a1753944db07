"""The Flask app of the simulated API: its routes are the spec's operations, its handlers the functions of their names.

The way of a request: key, address, rate limit (admission), then scope, parameters, one rule, JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Flask, Response, g, request
from werkzeug.routing import Map

from upsim import spec
from upsim.api import admission, errors, limits, overview, params, pools, profiles, workers
from upsim.api.call import Call, Reply
from upsim.api.render import encode
from upsim.config import Config
from upsim.errors import AddressRefused, ScopeMissing
from upsim.spec import Operation
from upsim.world import Universe

MAX_BODY_BYTES: Final = 1 << 20

PREFIX: Final = "/v1"

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


def create_app(universe: Universe, config: Config) -> Flask:
    """The app over a universe of worlds.

    Raises:
        ConfigError: the storage for rate limits cannot be used.
    """
    app = Flask("upsim", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.url_map = Map(strict_slashes=True, merge_slashes=False, host_matching=False)
    errors.install(app)

    def admit() -> None:
        if not (request.path == PREFIX or request.path.startswith(PREFIX + "/")):
            return
        caller = admission.find_caller(universe.store, admission.key_of(request))
        world = universe.world(caller.world)
        now = world.now()  # one instant for key, window and headers
        address = admission.client_address(
            request.remote_addr or "", request.headers.getlist("X-Forwarded-For"), config.trusted_proxy
        )
        admission.check_expiry(caller, now)
        g.world = world
        try:
            admission.check_address(caller, address)
        except AddressRefused as refusal:
            g.refusal = refusal
        limits.begin(caller, now)

    def refuse_address() -> None:
        # Only now, so that the call is counted and told about as any other; it is never refused for its number.
        if "refusal" in g:
            raise g.refusal

    def account_for(response: Response) -> Response:
        standing = limits.standing()
        if standing is not None:
            standing.write(response)
        return response

    app.before_request(admit)
    limits.install(app, universe.store, config.limits_storage, refuse=config.rate_limit)
    app.before_request(refuse_address)
    app.after_request(account_for)
    for operation in spec.operations():
        app.add_url_rule(
            operation.path.replace("{", "<").replace("}", ">"),
            endpoint=operation.id,
            view_func=_view(operation, HANDLERS[operation.id]),
            methods=[operation.method],
            provide_automatic_options=False,
        )
    for path, view in (("/openapi.yaml", _spec_yaml), ("/openapi.json", _spec_json)):
        app.add_url_rule(path, view_func=view, provide_automatic_options=False)
    return app


def _view(operation: Operation, handler: Handler) -> Callable[..., Response]:
    def answer(**path: Any) -> Response:
        if operation.scope not in g.caller.key.scopes:
            raise ScopeMissing(operation.scope, sorted(g.caller.key.scopes))
        reply = handler(Call(g.world, g.caller.account, params.read(operation, path, request)))
        return Response(encode(reply.content), reply.status, content_type="application/json")

    return answer


def _spec_yaml() -> Response:
    return Response(spec.source(), content_type="application/yaml")


def _spec_json() -> Response:
    return Response(json.dumps(spec.document(), ensure_ascii=False), content_type="application/json")
