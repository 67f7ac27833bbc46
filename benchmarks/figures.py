"""Figures of runs: their medians and ratios, printed and kept."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.clients import Client
from benchmarks.running import Measured


def median(runs: Sequence[Mapping[str, float]], what: str) -> float:
    """Return the median of one figure of all runs."""
    return statistics.median(run[what] for run in runs)


def ratio(runs: Sequence[Mapping[str, float]], to: Sequence[Mapping[str, float]], what: str) -> float:
    """Return the median of the ratios of one figure, taken within each round that both took part in."""
    return statistics.median(own[what] / max(other[what], 1e-9) for own, other in zip(runs, to, strict=False))


def shown(requests: Mapping[str, int] | None) -> str:
    """Return how many requests there were and of which methods, nothing where none were counted."""
    if not requests:
        return "" if requests is None else "0"
    return f"{sum(requests.values())} ({', '.join(f'{method} {count}' for method, count in requests.items())})"


def has_wire(runs: Mapping[str, Sequence[Mapping[str, float]]]) -> bool:
    """Return whether the runs went through a relay that counted bytes and connections."""
    return any("wire" in cost for costs in runs.values() for cost in costs)


def printed(measured: Measured) -> str:
    """Return a table of what a work cost."""
    runs, is_far = measured.runs, has_wire(measured.runs)
    wire = f"{'wire MiB':>10}{'conns':>7}" if is_far else ""
    head = f"{'wall s':>9}{'ratio':>7}{'CPU s':>9}{'ratio':>7}{'MiB':>7}{'server s':>10}{wire}  requests"
    lines = [f"\n{measured.name}: {measured.title}", f"{'':16}{head}"]
    own = runs.get("lading") or next(iter(runs.values()))
    for name, costs in runs.items():
        wall, cpu = ratio(costs, own, "wall"), ratio(costs, own, "cpu")
        wire = f"{median(costs, 'wire'):10.2f}{median(costs, 'connections'):7.0f}" if is_far else ""
        lines.append(
            f"{name:16}{median(costs, 'wall'):9.3f}{wall:7.2f}{median(costs, 'cpu'):9.3f}{cpu:7.2f}"
            f"{median(costs, 'mebibytes'):7.0f}{median(costs, 'server'):10.2f}{wire}"
            f"  {shown(measured.requests.get(name))}"
        )
    return "\n".join([*lines, *(f"{name:16}{why}" for name, why in measured.left_out.items())])


def save(path: Path, measured: Measured, clients: Sequence[Client]) -> None:
    """Add the figures of a work to a file, in place of those that it has of the same work."""
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept.setdefault("clients", {}).update({client.name: client.says() for client in clients})
    kept.setdefault("works", {})[measured.name] = {
        "title": measured.title,
        "date": today(),
        "machine": machine(),
        "written to": measured.where,
        "left out": measured.left_out,
        "runs": {
            name: [{what: round(figure, 4) for what, figure in cost.items()} for cost in costs]
            for name, costs in measured.runs.items()
        },
        "requests": measured.requests,
        "scripts": measured.scripts,
    }
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def today() -> str:
    """Return the date."""
    return datetime.now(UTC).date().isoformat()


def machine() -> dict[str, Any]:
    """Return what figures depend on except the programs."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {"processor": model, "cores": os.cpu_count(), "memory GiB": memory, "python": python, "system": sys.platform}
