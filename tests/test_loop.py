"""A loop in a thread of its own: what runs in it, what fails in it, how it ends."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from upsim.loop import LoopThread


@pytest.fixture
def ended() -> threading.Event:
    return threading.Event()


def test_what_fails_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("of no use")

    thread = LoopThread("test-loop")
    with caplog.at_level(logging.ERROR):
        thread.start(fail())
        thread.stop()
    (record,) = caplog.records
    assert record.getMessage() == "what ran in test-loop failed"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "of no use"


def test_stopping_ends_what_still_runs_and_says_nothing(
    caplog: pytest.LogCaptureFixture, ended: threading.Event
) -> None:
    async def last() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    thread = LoopThread("test-loop")
    thread.start(last())
    thread.run(asyncio.sleep(0))
    thread.stop()
    assert ended.is_set()
    assert caplog.records == []


def test_what_begins_while_it_stops_is_ended_too(ended: threading.Event) -> None:
    """As a connection that comes at the last moment: whoever works on it has to let go of it."""

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def accept() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            thread.start(work())

    thread = LoopThread("test-loop")
    thread.start(accept())
    thread.run(asyncio.sleep(0))
    thread.stop()
    assert ended.is_set()


def test_a_question_is_answered_within_the_loop() -> None:
    thread = LoopThread("test-loop")
    try:
        assert thread.ask(lambda: threading.current_thread().name) == "test-loop"
        with pytest.raises(ZeroDivisionError):
            thread.ask(lambda: 1 // 0)
    finally:
        thread.stop()
