"""Output of events: warnings, progress and the request log.

Warnings are printed unless the command is quiet. On a terminal, each blob of 64 KiB or more has a bar. With `-v` there
is a line for each request, and for each blob at its beginning and its end, in place of the bars: no event holds a
secret.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lading import Authorized, Event, Exchanged, Parked, Progress, Redirected, Retried, Skipped, Warned, printable
from lading.cli.output import Output, is_terminal

if TYPE_CHECKING:
    from lading.cli.progress_bars import ProgressBars

_LONGEST_TITLE = 40
# Seconds of a wait that is reported.
_LONG_WAIT = 5.0
# Bytes of content that is worth a bar: a config is there before a bar can be seen.
_LEAST_DRAWN = 64 * 1024


class Events:
    """Receiver of the events of a client, one call at a time. A context manager."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._wants_bars = not output.quiet and not output.verbose and _can_draw()
        self._bars: ProgressBars | None = None
        self._reported: set[str] = set()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._warn_once(f"{event.registry}: {event.text}")
        elif isinstance(event, Parked):
            self._warn_once(f"{event.reason}: {'pulls' if event.only_pulls else 'requests'} end at once")
        elif isinstance(event, Progress | Skipped) and self._wants_bars:
            self._draw(event)
        elif isinstance(event, Retried) and not self._output.verbose:
            self._report_wait(event)
        elif not self._output.verbose:
            return
        elif isinstance(event, Progress):
            self._report_once(_progress_line(event))
        else:
            self._output.detail(_line(event))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def _report_wait(self, event: Retried) -> None:
        """Report once why nothing seems to happen, if that takes seconds."""
        if event.refused or event.seconds >= _LONG_WAIT:
            wait = "for 5 s" if event.refused else f"in {event.seconds:.0f} s"
            self._warn_once(f"{event.reason}; trying again {wait}")

    def _warn_once(self, line: str) -> None:
        if line not in self._reported:
            self._reported.add(line)
            self._output.warning(line)

    def _report_once(self, line: str) -> None:
        # The end of a push has two events: when the last byte is sent, and when the registry has taken it.
        if line and line not in self._reported:
            self._reported.add(line)
            self._output.detail(line)

    def _draw(self, event: Progress | Skipped) -> None:
        if event.size is not None and event.size < _LEAST_DRAWN:
            return
        if self._bars is None:
            try:
                from lading.cli.progress_bars import ProgressBars
            except ImportError:  # rich comes with lading[cli]; without it nothing is drawn
                self._wants_bars = False
                return
            self._bars = ProgressBars()
        done = event.size if isinstance(event, Skipped) else event.offset
        self._bars.show(event.digest, _name(event), done, event.size)


def _can_draw() -> bool:
    # Windows has consoles of one kind, and no such variable.
    kind = os.environ.get("TERM", "windows" if sys.platform == "win32" else "dumb")
    return is_terminal(sys.stderr) and kind not in {"dumb", "unknown"}


def _progress_line(event: Progress) -> str:
    """Describe the beginning or the end of a blob; between these the line is empty."""
    what = f"{event.action} {event.digest} {event.title}".rstrip()
    if event.offset == event.size:
        return f"{what}: done"
    return f"{what}: begins, {'size unknown' if event.size is None else f'{event.size} bytes'}" * (event.offset == 0)


def _line(event: Skipped | Exchanged | Redirected | Retried | Authorized) -> str:
    match event:
        case Skipped(action, digest, size, title):
            return f"{action} {digest} {title}".rstrip() + f": exists already, {size} bytes"
        case Exchanged(request, status, seconds):
            return f"{request}: {status} after {seconds * 1000:.0f} ms"
        case Redirected(request, origin):
            return f"{request}: redirected to {origin}"
        case Retried(request, reason, seconds, tries):
            return f"{request}: try {tries} failed ({reason}), next try in {seconds:.1f} s"
        case Authorized(registry, realm, scopes, account):
            return f"{registry}: token from {realm} for {' '.join(scopes) or 'nothing'}, {account or 'anonymous'}"


def _name(event: Progress | Skipped) -> str:
    return printable(event.title or event.digest.partition(":")[2][:12], _LONGEST_TITLE)
