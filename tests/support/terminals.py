"""Pseudo-terminals."""

from __future__ import annotations

import sys

import pytest


def open_terminal(columns: int = 100) -> tuple[int, int]:
    """Return the test's side of a terminal of 25 lines and the program's side. Skips where there are none."""
    if sys.platform == "win32":
        pytest.skip("Windows does not have pseudo-terminals")
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (25, columns))
    return ours, theirs
