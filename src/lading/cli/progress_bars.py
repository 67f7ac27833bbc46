"""Progress bars on a terminal: one line a blob, with name, bar, bytes, rate and time left.

This is the only module that imports rich, and it is imported when the first byte moves.
"""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class ProgressBars:
    """The bars of one command, on stderr. `NO_COLOR` is obeyed."""

    def __init__(self) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
            redirect_stdout=False,  # results are not to be drawn over, and may go somewhere else
        )
        self._progress.start()

    def show(self, key: str, name: str, done: int, size: int | None) -> None:
        """Show that `done` of `size` bytes of some content are there; the first call for a key adds its bar."""
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(name, total=size)
        self._progress.update(self._tasks[key], completed=done, total=size)

    def stop(self) -> None:
        """Leave the bars as they are, and give the terminal back."""
        self._progress.stop()
