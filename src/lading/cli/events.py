"""What is said while content moves.

Warnings always, unless the command is to be quiet; on a terminal one bar for each blob, or with `-v` a line at its
beginning and its end.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lading._wire.display import shown
from lading.cli.output import Output
from lading.events import Event, Progress, Skipped, Warned

if TYPE_CHECKING:
    from lading.cli.progress import Bars

_LONGEST_TITLE = 40


class Events:
    """Told what happens by a client, one call at a time. A context manager."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._wants_bars = not output.quiet and not output.verbose and _can_draw()
        self._bars: Bars | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._output.warning(f"{event.registry}: {event.text}")
            return
        if self._wants_bars:
            self._draw(event)
        if self._output.verbose:
            for line in _lines(event):
                self._output.detail(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def _draw(self, event: Progress | Skipped) -> None:
        if self._bars is None:
            try:
                from lading.cli.progress import Bars
            except ImportError:  # rich comes with lading[cli]; without it nothing is drawn
                self._wants_bars = False
                return
            self._bars = Bars()
        done = event.size if isinstance(event, Skipped) else event.offset
        self._bars.show(event.digest, _name(event), done, event.size)


def _can_draw() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}


def _lines(event: Progress | Skipped) -> list[str]:
    what = f"{event.action} {event.digest} {event.title}".rstrip()
    if isinstance(event, Skipped):
        return [f"{what}: there already, {event.size} bytes"]
    lines = []
    if event.offset == 0:
        lines.append(f"{what}: begins, {'size unknown' if event.size is None else f'{event.size} bytes'}")
    if event.offset == event.size:
        lines.append(f"{what}: done")
    return lines


def _name(event: Progress | Skipped) -> str:
    return shown(event.title or event.digest.partition(":")[2][:12], _LONGEST_TITLE)
