"""A check that nothing got slower: ratios to the other clients now, compared with those that were kept.

    python -m benchmarks.check [STAGE…] [--keep] [--rounds N] [--works NAMES] [--only CLIENTS] [--kept FILE]

Seconds say as much about the machine and what else runs on it as about lading, so what is compared is by how much the
other clients take longer than lading: the median over rounds for each client, and the geometric mean of the clients
that both have figures of. Peak memory does not depend on the machine, and is compared as it is.

Sizes are small. A work that seems slower is measured a second time, and the better figure counts. After that a work is
slower if its wall time grew by more than a fifth, its processor time by 15 %, or its memory by a quarter. On two quiet
cores the ratios of two runs of the same code differ by up to 14 %, those of processor time by up to 7 %, and memory by
7 %; on busy ones by twice as much. So keep figures, and compare them, on a quiet machine.

Exits with 1 if a work is slower, and with 2 if there is nothing to compare. `--keep` keeps what was measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clients import CLIENTS, Client
from benchmarks.figures import machine, median, ratio, today
from benchmarks.running import Measured, arguments, measured, present

KEPT = Path(__file__).parent / "results" / "check.json"
STAGES = ("pulls", "many", "sink", "20ms")
LIMITS = {"wall": 1.2, "cpu": 1.15, "mebibytes": 1.25}
_HEADS = {"wall": "wall", "cpu": "CPU", "mebibytes": "peak MiB"}
# Figures of a work: for wall and CPU the ratio of each client to lading, and lading's own memory.
Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One work: each figure as it was, as it is, and by which factor it got worse; `notes` says what is missing."""

    name: str
    changes: Mapping[str, tuple[float, float, float]]
    notes: Sequence[str] = ()

    @property
    def slower(self) -> list[str]:
        """Return the figures that got worse by more than is allowed."""
        return [what for what, (_, _, change) in self.changes.items() if change > LIMITS[what]]


def figures(work: Measured) -> dict[str, Any]:
    """Return of a work what is kept and compared."""
    own = work.runs["lading"]
    peers = [client.name for client in CLIENTS if client.name != "lading" and client.name in work.runs]
    return {
        "title": work.title,
        **{what: {peer: round(ratio(work.runs[peer], own, what), 4) for peer in peers} for what in ("wall", "cpu")},
        "mebibytes": round(median(own, "mebibytes"), 2),
    }


def better(one: Figures, other: Figures) -> dict[str, Any]:
    """Return the better of two measurements of the same work, figure by figure."""
    return {
        "title": one["title"],
        **{what: {peer: max(one[what][peer], other[what][peer]) for peer in one[what]} for what in ("wall", "cpu")},
        "mebibytes": min(one["mebibytes"], other["mebibytes"]),
    }


def compared(name: str, kept: Figures | None, now: Figures) -> Row:
    """Return how a work changed since its figures were kept."""
    if kept is None:
        return Row(name, {}, ["has no kept figures"])
    if kept["title"] != now["title"]:
        return Row(name, {}, [f"was kept as another work: {kept['title']}"])
    both = [peer for peer in now["wall"] if peer in kept["wall"]]
    notes = [
        *(f"{peer} has no kept figures" for peer in now["wall"] if peer not in both),
        *(f"{peer} has kept figures and did not run" for peer in kept["wall"] if peer not in both),
    ]
    changes: dict[str, tuple[float, float, float]] = {}
    for what in ("wall", "cpu") if both else ():
        then_, now_ = (statistics.geometric_mean(each[what][peer] for peer in both) for each in (kept, now))
        changes[what] = (then_, now_, then_ / now_)
    changes["mebibytes"] = (kept["mebibytes"], now["mebibytes"], now["mebibytes"] / kept["mebibytes"])
    return Row(name, changes, notes)


def table(rows: Iterable[Row]) -> str:
    """Return a table with a line for each work."""
    heads = "".join(f"{head:>9}{'now':>7}{'worse':>7}" for head in _HEADS.values())
    lines = [f"{'':18}{heads}"]
    for row in rows:
        cells = "".join(
            "{:9.2f}{:7.2f}{:7.2f}".format(*row.changes[what]) if what in row.changes else f"{'-':>9}{'':14}"
            for what in _HEADS
        )
        slower = f"  SLOWER: {', '.join(_HEADS[what] for what in row.slower)}" if row.slower else ""
        lines += [f"{row.name:18}{cells}{slower}", *(f"{'':18}  {note}" for note in row.notes)]
    return "\n".join(lines)


def verdict(rows: Sequence[Row]) -> int:
    """Return the exit code: 1 if a work is slower, 2 if there is nothing to compare."""
    if not any("wall" in row.changes for row in rows):
        return 2
    return 1 if any(row.slower for row in rows) else 0


def main() -> None:
    """Measure, compare and say."""
    parser = arguments(__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the figures")
    parser.add_argument("--kept", type=Path, default=KEPT, metavar="FILE", help="where they are kept")
    parser.set_defaults(small=True, rounds=3)
    options = parser.parse_args()
    options.stages = options.stages or STAGES
    kept = json.loads(options.kept.read_text(encoding="utf-8")) if options.kept.exists() else {"works": {}}
    clients = present(options)
    rows, found = _measured(options, clients, kept["works"])
    print(table(rows))
    if options.keep:
        works = {**kept["works"], **found}
        made = {"machine": machine(), "date": today(), "clients": {each.name: each.says() for each in clients}}
        options.kept.write_text(json.dumps({**made, "works": works}, indent=1) + "\n", encoding="utf-8")
        return
    sys.exit(verdict(rows))


def _measured(
    options: argparse.Namespace, clients: Sequence[Client], kept: Mapping[str, Figures]
) -> tuple[list[Row], dict[str, dict[str, Any]]]:
    """Measure the works, those that seem slower twice; return how each changed, and its figures."""
    found: dict[str, dict[str, Any]] = {}

    def rows() -> list[Row]:
        return [compared(name, kept.get(name), figures_) for name, figures_ in found.items()]

    for work in measured(options, clients, is_counting=False):
        found[work.name] = figures(work)
        print(f"{work.name}: {work.title}", flush=True)
    slower = [row.name for row in rows() if row.slower]
    if slower and not options.keep:
        print(f"once more: {', '.join(slower)}", flush=True)
        options.works = ",".join(slower)
        for work in measured(options, clients, is_counting=False):
            found[work.name] = better(found[work.name], figures(work))
    return rows(), found


if __name__ == "__main__":
    main()
