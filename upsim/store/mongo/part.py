"""What the parts of the MongoDB store share: its collections, and the step or change each method is."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from upsim.model import WorldId
from upsim.store.mongo.opening import open_link
from upsim.store.sums import Summing, no_sums


class Linked:
    """What the parts of the store share."""

    def __init__(self, url: str, summing: Summing = no_sums) -> None:
        """Open the database that the URL names and make its indexes; `summing` says what a worker adds to sums.

        Raises:
            ConfigError: the URL is wrong, or nobody answers there.
        """
        self.url = url
        self._summing = summing
        self._link = open_link(url)
        self._lost_marks: dict[str, list[str]] = {}
        self._worlds = self._link.collection("worlds")
        self._worlds_light = self._link.collection("worlds", light=True)
        self._digests = self._link.collection("digests")
        self._accounts = self._link.collection("accounts")
        self._holdings = self._link.collection("holdings")
        self._workers = self._link.collection("workers")
        self._tracks = self._link.collection("tracks")
        self._sums = self._link.collection("sums")
        self._measured = self._link.collection("measured")
        self._numbers = self._link.collection("numbers")
        self._hits = self._link.collection("hits", light=True)
        self._journal = self._link.collection("journal", light=True)
        self._journal_ends = self._link.collection("journal_ends", light=True)

    def close(self) -> None:
        """Close the sockets."""
        self._link.close()

    def _content_of(self, world: str) -> str | None:
        """Under which token the world's content is kept at this moment."""
        found = self._worlds.find_one({"_id": world}, {"content": 1})
        return found["content"] if found else None

    @contextmanager
    def _changing(self, world: WorldId) -> Iterator[None]:
        """Around any change of a world's content: it has no version meanwhile, and another one afterwards.

        Where the server is lost in between, the world stays without, until this process changes it again or until its
        content is replaced: everything is then asked of the store each time.
        """
        mark = secrets.token_hex(8)
        marks = [mark, *self._lost_marks.pop(world, ())]
        reached = False
        try:
            self._worlds.update_one({"_id": world}, {"$set": {f"changing.{mark}": True}})
            reached = True
            yield
        except self._link.lost:
            reached = False
            raise
        finally:
            try:
                if reached:
                    gone = {f"changing.{one}": "" for one in marks}
                    # Lost, it costs time and no more: not worth waiting for a majority.
                    self._worlds_light.update_one({"_id": world}, {"$set": {"state": mark}, "$unset": gone})
                    marks = []
            finally:
                if marks:
                    self._lost_marks.setdefault(world, []).extend(marks)


_Self = TypeVar("_Self", bound=Linked)
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def step(method: Callable[Concatenate[_Self, _Given], _Result]) -> Callable[Concatenate[_Self, _Given], _Result]:
    """Make a method one step of the link: locked where the driver needs it, its driver's errors translated."""

    # functools.wraps would hide that this is a method still.
    def run(self: _Self, /, *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        with self._link.step():
            return method(self, *args, **kwargs)

    run.__name__, run.__doc__ = method.__name__, method.__doc__
    return run


def change(
    method: Callable[Concatenate[_Self, WorldId, _Given], _Result],
) -> Callable[Concatenate[_Self, WorldId, _Given], _Result]:
    """Make a method one step that changes a world's content, and give the world a new version."""

    def run(self: _Self, world: WorldId, /, *args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        with self._link.step(), self._changing(world):
            return method(self, world, *args, **kwargs)

    run.__name__, run.__doc__ = method.__name__, method.__doc__
    return run
