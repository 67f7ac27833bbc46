"""Ctrl-C, which ends the process soon, even if a thread does not notice the interrupt."""

from __future__ import annotations

import _thread
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from lading.cli.output import is_terminal

EXIT_CODE = 128 + signal.SIGINT
# Seconds to end after Ctrl-C. Sockets are shut at once; a thread that hashes a large file does not notice.
_PATIENCE = 0.8
_SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def ending_soon() -> Generator[None]:
    """Have Ctrl-C end the process within a second."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is not signal.default_int_handler:  # shells have background jobs ignore it
        yield
        return
    ended = _thread.allocate_lock()

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        # Not a timer of the system: Windows has none that Python offers, and this one needs no turn of the main thread.
        with suppress(RuntimeError):  # the system has no room for a thread
            _thread.start_new_thread(_give_up_unless, (ended,))
        raise KeyboardInterrupt

    ended.acquire()
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        ended.release()
        signal.signal(signal.SIGINT, usual)


def _give_up_unless(ended: _thread.LockType) -> None:
    """End the process, unless the work ends in time."""
    if ended.acquire(timeout=_PATIENCE):
        ended.release()  # for the thread of another Ctrl-C
        return
    if is_terminal(sys.stderr):
        os.write(sys.stderr.fileno(), _SHOW_CURSOR)
    os._exit(EXIT_CODE)
