"""Progress bars on a terminal: one line for each blob, with name, bar, bytes, rate and time left.

This is the only module that imports rich, and it is imported when the first byte moves.
"""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from lading.cli.text_formatting import readable_size

# Columns of the terminal from which a line has room for rate and time left, and for a bar as well.
_WITH_RATE = 60
_WITH_BAR = 76
# Widths of `1023.9/1023.9 MiB`, `1023.9 MiB/s` and `1:00:00`, and the bounds of a name and a bar.
_SIZE, _RATE, _TIME = 17, 12, 7
_LONGEST_NAME = 40
_SHORTEST_NAME = 12
_LONGEST_BAR = 40


class ProgressBars:
    """The bars of one command, on stderr, erased at its end. `NO_COLOR` is obeyed."""

    def __init__(self) -> None:
        self._tasks: dict[str, TaskID] = {}
        console = Console(stderr=True)
        self._progress = Progress(
            *_columns(console.width),
            console=console,
            transient=True,
            redirect_stdout=False,  # results are not to be drawn over, and may go somewhere else
        )
        self._progress.start()

    def show(self, key: str, name: str, done: int, size: int | None) -> None:
        """Show that `done` of `size` bytes of some content are there; the first call for a key adds its bar."""
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(name, total=size)
        self._progress.update(self._tasks[key], completed=done, total=size)

    def stop(self) -> None:
        """Erase the bars, and give the terminal back: a command that fails halfway leaves none."""
        self._progress.stop()


class _RateColumn(ProgressColumn):
    """Bytes a second, in the units of the sizes."""

    def render(self, task: Task) -> Text:
        """Write the rate, nothing as long as it is unknown."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{readable_size(int(speed))}/s", style="progress.data.speed")


def _columns(width: int) -> list[ProgressColumn]:
    """Return the columns that fit into a line of the terminal, so that none wraps."""
    room = width - _SIZE - 2
    after: list[ProgressColumn] = [DownloadColumn(binary_units=True, table_column=_column(_SIZE))]
    if width >= _WITH_RATE:
        room -= _RATE + _TIME + 2
        after += [
            _RateColumn(table_column=_column(_RATE)),
            TimeRemainingColumn(compact=True, table_column=_column(_TIME)),
        ]
    bar = min(_LONGEST_BAR, room // 2) if width >= _WITH_BAR else 0
    name = max(_SHORTEST_NAME, min(_LONGEST_NAME, room - bar - 1))
    before: list[ProgressColumn] = [TextColumn("{task.description}", markup=False, table_column=_column(name))]
    return [*before, *([BarColumn(bar)] if bar else []), *after]


def _column(width: int) -> Column:
    return Column(max_width=width, no_wrap=True, overflow="ellipsis")
