"""Runs a command as if nobody stood between it and whoever started us: its streams, its signals, its exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Final

_FORWARDED: Final = ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGBREAK")
_OF_TERMINALS: Final = ("SIGINT", "SIGQUIT", "SIGBREAK")

_LOOK_S: Final = 1.0
"""How often the thread that signals are told to comes back to the interpreter, which is when it hears of them."""

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
BY_SIGNAL: Final = 128


class CannotStart(Exception):
    """The command cannot be started.

    Attributes:
        code: what a shell ends with in that case.
    """

    def __init__(self, command: str, problem: OSError) -> None:
        self.code = NOT_FOUND if isinstance(problem, FileNotFoundError) else NOT_EXECUTABLE
        super().__init__(f"{command}: {problem.strerror or problem}")


def supervise(command: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command to its end; answers its exit code, 128 and the signal's number where a signal ended it.

    Signals sent to us meanwhile are its own. Only from the main thread.

    Raises:
        CannotStart: there is no such command, or it is none.
    """
    waiting: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def hand_on(number: int, frame: FrameType | None) -> None:
        if process is None:
            waiting.append(number)
        elif not _sent_by_terminal(number):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    before = {}
    for name in _FORWARDED:
        number = getattr(signal, name, None)
        # What we were told to ignore, as by nohup, the command ignores too.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, hand_on)
    try:
        try:
            # Descriptors given to us are given on; our own are not inherited anyway.
            process = subprocess.Popen(list(command), env=dict(env), close_fds=False)  # noqa: S603 - the user's own
        except OSError as problem:
            raise CannotStart(command[0], problem) from problem
        for number in waiting:
            hand_on(number, None)
        # By a thread of its own: a signal that came just before this one began to wait for the end would wait with it.
        waiter = threading.Thread(target=process.wait, name="upsim-waiter", daemon=True)
        waiter.start()
        while waiter.is_alive():
            waiter.join(_LOOK_S)
        code = process.returncode
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else BY_SIGNAL - code


def _sent_by_terminal(number: int) -> bool:
    """Whether a signal is the terminal's, which sends it to all of the foreground: the command has had it already."""
    if not any(number == getattr(signal, name, None) for name in _OF_TERMINALS):
        return False
    if os.name != "posix":
        return True
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):  # it is no terminal
            return os.tcgetpgrp(descriptor) == os.getpgrp()
    return False
