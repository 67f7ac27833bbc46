"""Time lading beside other clients at the same works, in turns, and print medians and ratios.

    python -m benchmarks.suite [STAGE…] [--small] [--rounds N] [--scratch DIR] [--write DIR] [--save FILE]

The registry is CNCF Distribution 3 on loopback. It keeps its content in memory (`/dev/shm`), and clients write there
too, so that disks are not what is measured; `--write` has them write somewhere else. Every run is a process of its own.
Clients take turns within a round, and ratios are taken within a round before the median is. Requests are counted
in runs of their own that are not timed, by registries that log them.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import shlex
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.clients import CLIENTS, Client
from benchmarks.meter import Cost, measure
from benchmarks.works import STAGES, Sizes, Work

Runs = dict[str, list[dict[str, float]]]
Requests = dict[str, Mapping[str, int]]
Contenders = Sequence[tuple[str, Callable[[Path, int], list[str]]]]


def main() -> None:
    """Run the stages that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stages", metavar="STAGE", nargs="*", help=f"of {', '.join(STAGES)} (default: all)")
    parser.add_argument("--small", action="store_true", help="small sizes, for a quick run")
    for name, what in (("layer", "MiB of each of 4 layers"), ("blob", "MiB of one blob"), ("resolved", "tags")):
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"{what}, in place of the usual number")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each client at each work (default: 5)")
    parser.add_argument("--only", help="the clients to run, separated by commas")
    parser.add_argument("--works", help="the works to do, separated by commas")
    parser.add_argument("--scratch", type=Path, default=Path("/dev/shm"), help="where registries keep their content")  # noqa: S108  # a directory of our own is made in it
    parser.add_argument("--write", type=Path, help="where clients write (default: as --scratch)")
    parser.add_argument("--save", type=Path, help="add the figures to this file of JSON")
    options = parser.parse_args()
    given = {name: getattr(options, name) for name in ("layer", "blob", "resolved") if getattr(options, name)}
    sizes = replace(Sizes.small() if options.small else Sizes(), **given)
    clients = _present(options.only.split(",") if options.only else None)
    for stage in options.stages or STAGES:
        with (
            tempfile.TemporaryDirectory(prefix="lading-", dir=options.scratch) as directory,
            STAGES[stage](Path(directory), sizes) as works,
        ):
            for work in works:
                if not options.works or work.name in options.works.split(","):
                    _do(work, clients, options)


def _do(work: Work, clients: Sequence[Client], options: argparse.Namespace) -> None:
    """Do one work, and print and keep what it cost."""
    where = options.write or options.scratch
    contenders: Contenders = [
        (client.name, _command(client, work))
        for client in clients
        if work.command in client.commands and work.name not in client.left_out
    ]
    floors: Contenders = [(name, _always(command)) for name, command in work.floors.items()]
    with tempfile.TemporaryDirectory(prefix="lading-", dir=where) as scratch:
        numbers = itertools.count(1)
        requests = _count(work, contenders, Path(scratch), numbers)
        runs = _rounds(work, [*contenders, *floors], options.rounds, Path(scratch), numbers)
    _print(work, runs, requests, clients)
    if options.save:
        _save(options.save, work, runs, requests, clients, where=str(where))


def _present(wanted: Sequence[str] | None) -> list[Client]:
    """Return the clients that are installed, and say which are not."""
    clients: list[Client] = []
    for client in CLIENTS:
        if wanted and client.name not in wanted:
            continue
        if client.path() is None:
            print(f"{client.name} is not installed, and left out")
        elif client.is_outdated():
            print(f"{client.name} {client.says()} is too old to be compared with, and left out")
        else:
            print(f"{client.name} {client.says()}")
            clients.append(client)
    return clients


def _count(work: Work, contenders: Contenders, scratch: Path, numbers: Iterator[int]) -> Requests:
    """Return how many requests of each method everyone makes, if the registry can tell."""
    requests: Requests = {}
    for name, command in contenders if work.registry.can_count else ():
        with _place(scratch, numbers) as (place, number):
            words = command(place, number)
            environment = _prepared(work, words, place)
            with contextlib.ExitStack() as counting:
                counters = [counting.enter_context(each.counting()) for each in (work.registry, *work.others)]
                measure(words, environment, place)
        requests[name] = dict(sorted(sum(counters, Counter[str]()).items()))
    return requests


def _rounds(work: Work, contenders: Contenders, rounds: int, scratch: Path, numbers: Iterator[int]) -> Runs:
    """Have everyone do a work, in turns; whoever begins a round ends the next one."""
    runs: Runs = {name: [] for name, _ in contenders}
    for turn in range(rounds + 1):
        for name, command in contenders if turn % 2 else reversed(contenders):
            with _place(scratch, numbers) as (place, number):
                cost, served = _run(work, command(place, number), place)
            if turn:  # the first round warms caches
                runs[name].append({**asdict(cost), "server": served})
    return runs


@contextlib.contextmanager
def _place(scratch: Path, numbers: Iterator[int]) -> Generator[tuple[Path, int]]:
    """Make a directory for a run, with the number of the run in its name, and remove it."""
    number = next(numbers)
    place = scratch / f"run{number}"
    place.mkdir()
    yield place, number
    shutil.rmtree(place)


def _command(client: Client, work: Work) -> Callable[[Path, int], list[str]]:
    def command(scratch: Path, number: int) -> list[str]:
        words = shlex.split(client.commands[work.command])
        program = client.path() or client.program
        filled = [word.format_map(work.fields(scratch, number)) for word in words]
        return [program if word == client.program else word for word in filled]

    return command


def _always(command: list[str]) -> Callable[[Path, int], list[str]]:
    return lambda _scratch, _number: command


def _run(work: Work, command: list[str], scratch: Path) -> tuple[Cost, float]:
    environment = _prepared(work, command, scratch)
    before = work.registry.process.cpu()
    cost = measure(command, environment, scratch)
    served = work.registry.process.cpu() - before
    if not _is_floor(command):
        work.check(scratch)
    return cost, served


def _prepared(work: Work, command: list[str], scratch: Path) -> Mapping[str, str]:
    """Return the environment of a run, after a first run if the second one is measured."""
    environment = {
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        "HOME": str(scratch),
        **work.environment,
    }
    if _is_floor(command):
        environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
    if work.twice:
        measure(command, environment, scratch)
    return environment


def _is_floor(command: list[str]) -> bool:
    return "benchmarks.floors" in command


def median(runs: Sequence[Mapping[str, float]], what: str) -> float:
    """Return the median of one figure of all runs."""
    return statistics.median(run[what] for run in runs)


def ratio(runs: Sequence[Mapping[str, float]], to: Sequence[Mapping[str, float]], what: str) -> float:
    """Return the median of the ratios of one figure, taken within each round."""
    return statistics.median(own[what] / max(other[what], 1e-9) for own, other in zip(runs, to, strict=True))


def shown(requests: Mapping[str, int] | None) -> str:
    """Return how many requests there were and of which methods, nothing where none were counted."""
    if not requests:
        return "" if requests is None else "0"
    return f"{sum(requests.values())} ({', '.join(f'{method} {count}' for method, count in requests.items())})"


def _print(work: Work, runs: Runs, requests: Requests, clients: Sequence[Client]) -> None:
    head = f"{'wall s':>9}{'ratio':>7}{'CPU s':>9}{'ratio':>7}{'MiB':>7}{'server s':>10}  requests"
    print(f"\n{work.title}\n{'':16}{head}")
    own = runs.get("lading") or next(iter(runs.values()))
    for name, costs in runs.items():
        wall, cpu = ratio(costs, own, "wall"), ratio(costs, own, "cpu")
        print(
            f"{name:16}{median(costs, 'wall'):9.3f}{wall:7.2f}{median(costs, 'cpu'):9.3f}{cpu:7.2f}"
            f"{median(costs, 'mebibytes'):7.0f}{median(costs, 'server'):10.2f}  {shown(requests.get(name))}",
            flush=True,
        )
    for client in clients:
        if work.name in client.left_out:
            print(f"{client.name:16}{client.left_out[work.name]}")


def _save(path: Path, work: Work, runs: Runs, requests: Requests, clients: Sequence[Client], *, where: str) -> None:
    """Add the figures of a work to a file, in place of those that it has of the same work."""
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept["machine"] = _machine()
    kept.setdefault("clients", {}).update({client.name: client.says() for client in clients})
    kept.setdefault("works", {})[work.name] = {
        "title": work.title,
        "date": datetime.now(UTC).date().isoformat(),
        "written to": where,
        "left out": {client.name: client.left_out[work.name] for client in clients if work.name in client.left_out},
        "runs": {
            name: [{what: round(figure, 4) for what, figure in cost.items()} for cost in costs]
            for name, costs in runs.items()
        },
        "requests": requests,
    }
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _machine() -> dict[str, Any]:
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


if __name__ == "__main__":
    main()
