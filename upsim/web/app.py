"""The Flask app before it has a surface, and how operations of a spec become its routes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound
from werkzeug.routing import BaseConverter, Map, Rule

from upsim.spec import Operation, Spec
from upsim.web import errors

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_BODY_BYTES: Final = 1 << 20

View = Callable[..., Response]


def create_app() -> Flask:
    """An app that answers nothing yet, and every failure with JSON."""
    app = Flask("upsim", static_folder=None)
    app.url_rule_class = _Route
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    # A path is what it says: no second one leads to the same place, none redirects.
    app.url_map = Map(strict_slashes=True, merge_slashes=False)
    errors.install(app)
    app.before_request(_check_path)
    return app


def _check_path() -> None:
    # Two slashes are read as one by all that comes after; from no path at all, the browser would be sent to another.
    if request.environ["PATH_INFO"].startswith("//") or not request.environ["PATH_INFO"]:
        raise NotFound


def add_operations(app: Flask, spec: Spec, handlers: Mapping[str, Any], view: Callable[[Operation, Any], View]) -> None:
    """Make each operation of the spec a route, answered by the handler of its operationId.

    A path the spec names is never taken for another with a parameter, whatever the method.
    """
    app.url_map.converters["segment"] = _Segment
    paths = {operation.path for operation in spec.operations}
    for operation in spec.operations:
        app.add_url_rule(
            _rule(operation.path, paths),
            endpoint=operation.id if operation.scope else f"control.{operation.id}",
            view_func=view(operation, handlers[operation.id]),
            methods=[operation.method],
            provide_automatic_options=False,
        )


def mount(app: Flask, prefix: str, make: Callable[[], Flask]) -> None:
    """Let another app answer all below a prefix: made when the first such call comes, since most processes see none."""
    app.wsgi_app = _Mount(app.wsgi_app, prefix, make)  # type: ignore[method-assign]  # as Flask says to do


class _Mount:
    """One app until a path begins with the prefix; then the other."""

    def __init__(self, outer: WSGIApplication, prefix: str, make: Callable[[], Flask]) -> None:
        self._outer = outer
        self._prefix = prefix
        self._make = make
        self._made: Flask | None = None
        self._lock = Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(self._prefix) and path[len(self._prefix) :][:1] in ("", "/"):
            return self._inner()(environ, start_response)
        return self._outer(environ, start_response)

    def _inner(self) -> Flask:
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._make()
        return self._made


class _Route(Rule):
    """A rule that compiles what makes addresses of it when it is first asked for one, which here nobody does.

    Werkzeug does so for each rule as it comes, and that takes ten times as long as all else about it.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            made = super(_Route, self)._compile_builder(append_unknown)
            return made(rule, **values)

        return build


class _Segment(BaseConverter):
    """One part of a path: anything but the words that stand in its place in other paths."""

    def __init__(self, url_map: Map, *reserved: str) -> None:
        super().__init__(url_map)
        if reserved:
            self.regex = rf"(?!(?:{'|'.join(map(re.escape, reserved))})\Z)[^/]+"


def _rule(path: str, paths: Collection[str]) -> str:
    """The path as Flask writes it."""
    parent, _, last = path.rpartition("/")
    if not last.startswith("{"):
        return path.replace("{", "<").replace("}", ">")
    siblings = (other.rpartition("/") for other in paths)
    reserved = sorted(word for above, _, word in siblings if above == parent and not word.startswith("{"))
    words = ", ".join(f"'{word}'" for word in reserved)
    return f"{parent.replace('{', '<').replace('}', '>')}/<segment({words}):{last[1:-1]}>"


def add_document(app: Flask, spec: Spec, path: str) -> None:
    """Hand out the spec itself, as path.yaml and path.json."""

    def as_yaml() -> Response:
        return Response(spec.file.read_bytes(), content_type="application/yaml")

    def as_json() -> Response:
        return Response(json.dumps(spec.document, ensure_ascii=False), content_type="application/json")

    app.add_url_rule(f"{path}.yaml", f"{path}.yaml", as_yaml, provide_automatic_options=False)
    app.add_url_rule(f"{path}.json", f"{path}.json", as_json, provide_automatic_options=False)
