"""The runs of a work by all clients, in turns, and what each cost."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shlex
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

from benchmarks import far
from benchmarks.clients import CLIENTS, Client
from benchmarks.images import MIB
from benchmarks.meter import measure
from benchmarks.stages import STAGES
from benchmarks.work import Sizes, Work

Runs = dict[str, list[dict[str, float]]]
Requests = dict[str, Mapping[str, int]]
Contenders = Sequence[tuple[str, Callable[[Path, int], list[str]]]]

# In place of all stages that have a distance.
_FAR = "distance"
_SIZES = {
    "layer": "MiB of each of 4 layers",
    "blob": "MiB of one blob of (f)",
    "resolved": "tags",
    "one": "MiB of one blob of (l)",
    "four": "MiB of each of 4 layers of (l)",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What a work cost: figures of each run, and how many requests of each method a run makes.

    `left_out` says of clients why they do not do it, `where` is the directory that clients wrote to. `scripts` are the
    commands of clients, where each needs one of its own to do the work.
    """

    name: str
    title: str
    where: str
    runs: Runs
    requests: Requests
    left_out: Mapping[str, str]
    scripts: Mapping[str, str] = field(default_factory=dict)


class _Places:
    """Directories for runs, each with the number of its run in its name."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._numbers = directory, itertools.count(1)

    @contextlib.contextmanager
    def new(self) -> Generator[tuple[Path, int]]:
        """Make one, and remove it when the run is over."""
        number = next(self._numbers)
        place = self._directory / f"run{number}"
        place.mkdir()
        yield place, number
        shutil.rmtree(place)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of what says which works are done, and how."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    stages = f"of {', '.join(STAGES)}, or {_FAR} for the last {len(far.STAGES)}"
    parser.add_argument("stages", metavar="STAGE", nargs="*", help=stages)
    parser.add_argument("--small", action="store_true", help="small sizes, for a quick run")
    for name, what in _SIZES.items():
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"{what}, in place of the usual number")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each client at each work (default: 5)")
    parser.add_argument(
        "--patience",
        type=float,
        default=60,
        metavar="SECONDS",
        help="a client that takes longer does a work once (default: 60)",
    )
    parser.add_argument("--only", help="the clients to run, separated by commas")
    parser.add_argument(
        "--told",
        action="append",
        default=[],
        metavar="OPTIONS",
        help="run lading with options too: --told='--ranges 8'",
    )
    parser.add_argument("--works", help="the works to do, separated by commas, as names or patterns such as 'push*'")
    parser.add_argument("--scratch", type=Path, default=Path("/dev/shm"), help="where registries keep their content")  # noqa: S108  # a directory of our own is made in it
    parser.add_argument("--write", type=Path, help="where clients write (default: as --scratch)")
    return parser


def stages(names: Sequence[str]) -> list[str]:
    """Return the stages that are named, all if none is."""
    each = [stage for name in names or STAGES for stage in (far.STAGES if name == _FAR else (name,))]
    unknown = [stage for stage in each if stage not in STAGES]
    if unknown:
        raise SystemExit(f"no stage is called {', '.join(unknown)}: there are {', '.join((*STAGES, _FAR))}")
    return each


def is_wanted(work: str, patterns: str | None) -> bool:
    """Return whether a work is among those that the command line names."""
    return not patterns or any(fnmatch(work, pattern) for pattern in patterns.split(","))


def measured(options: argparse.Namespace, clients: Sequence[Client], *, is_counting: bool = True) -> Iterator[Measured]:
    """Do the works that the command line names, and yield what each cost; count requests too unless told not to."""
    given = {name: getattr(options, name) for name in _SIZES if getattr(options, name)}
    sizes = replace(Sizes.small() if options.small else Sizes(), **given)
    for stage in stages(options.stages):
        with (
            tempfile.TemporaryDirectory(prefix="lading-", dir=options.scratch) as directory,
            STAGES[stage](Path(directory), sizes) as works,
        ):
            for work in works:
                if is_wanted(work.name, options.works):
                    where = options.write or options.scratch
                    yield _do(work, clients, options, where, is_counting=is_counting)


def _do(
    work: Work, clients: Sequence[Client], options: argparse.Namespace, where: Path, *, is_counting: bool
) -> Measured:
    contenders: Contenders = [
        (client.name, _command(client, work))
        for client in clients
        if work.command in client.commands and work.name not in client.left_out
    ]
    floors: Contenders = [(name, _always(command)) for name, command in work.floors.items()]
    left_out = {client.name: client.left_out[work.name] for client in clients if work.name in client.left_out}
    with tempfile.TemporaryDirectory(prefix="lading-", dir=where) as scratch:
        places = _Places(Path(scratch))
        is_counting = is_counting and work.registry.can_count
        # At a distance a log takes nothing, and a run too long for one that is not timed.
        requests = {} if work.relay or not is_counting else _count(work, contenders, places)
        counts = requests if work.relay and is_counting else None
        runs = _rounds(work, [*contenders, *floors], options, places, counts)
    scripts = {each.name: each.commands[work.command] for each in clients if work.is_script and each.name in runs}
    return Measured(work.name, work.title, str(where), runs, requests, left_out, scripts)


def present(options: argparse.Namespace) -> list[Client]:
    """Return the clients that are installed; print where each is, and how to get the others."""
    clients: list[Client] = []
    wanted = options.only.split(",") if options.only else []
    for client in CLIENTS:
        if wanted and client.name not in wanted:
            continue
        path = client.path()
        if path is None:
            print(f"{client.name:10}is not installed, and left out: {client.hint}")
        elif client.is_outdated():
            print(f"{client.name:10}{client.says()}  {path}  is too old to be compared, and left out: {client.hint}")
        else:
            print(f"{client.name:10}{client.says():18}{path}")
            told = options.told if client.program == "lading" else []
            clients += [client, *(client.told(each) for each in told)]
    registry = shutil.which("registry")
    if registry is None:
        raise SystemExit("registry  is not installed, and nothing can be measured without it: `make peers` builds it")
    print(f"{'registry':28}{registry}", flush=True)
    return clients


def _count(work: Work, contenders: Contenders, places: _Places) -> Requests:
    """Return how many requests of each method each client makes, in runs that are not timed."""
    requests: Requests = {}
    for name, command in contenders:
        with places.new() as (place, number):
            words = command(place, number)
            environment = _prepared(work, words, place)
            with _counting(work, name, requests):
                measure(words, environment, place)
    return requests


@contextlib.contextmanager
def _counting(work: Work, name: str, requests: Requests) -> Generator[None]:
    """Count the requests of a client meanwhile."""
    with contextlib.ExitStack() as counting:
        counters = [counting.enter_context(each.counting()) for each in (work.registry, *work.others)]
        yield
    requests[name] = dict(sorted(sum(counters, Counter[str]()).items()))


def _rounds(
    work: Work,
    contenders: Contenders,
    options: argparse.Namespace,
    places: _Places,
    requests: Requests | None,
) -> Runs:
    """Have every client do a work, in turns; the client that begins a round ends the next one.

    A client that takes longer than the patience takes part in no further round. In the first one `requests` are
    counted, unless they are None.
    """
    runs: Runs = {name: [] for name, _ in contenders}
    # The first round warms caches, which does not show at a distance.
    for turn in range(1 if work.relay else 0, options.rounds + 1):
        for name, command in contenders if turn % 2 else reversed(contenders):
            if any(cost["wall"] > options.patience for cost in runs[name]):
                continue
            counting = (
                _counting(work, name, requests) if requests is not None and turn == 1 else contextlib.nullcontext()
            )
            with places.new() as (place, number), counting:
                cost = _run(work, command(place, number), place)
            if turn:
                runs[name].append(cost)
    return runs


def _command(client: Client, work: Work) -> Callable[[Path, int], list[str]]:
    program = client.path() or client.program

    def command(scratch: Path, number: int) -> list[str]:
        fields = work.fields(scratch, number)
        if work.is_script:
            words = client.commands[work.command].split(" ")
            line = " ".join(shlex.quote(program) if word == client.program else word for word in words)
            return ["sh", "-c", line.format_map(fields)]
        filled = [word.format_map(fields) for word in shlex.split(client.commands[work.command])]
        return [program if word == client.program else word for word in filled]

    return command


def _always(command: list[str]) -> Callable[[Path, int], list[str]]:
    return lambda _scratch, _number: command


def _run(work: Work, command: list[str], scratch: Path) -> dict[str, float]:
    environment = _prepared(work, command, scratch)
    before = work.registry.process.cpu()
    passed = Counter(work.relay.counts) if work.relay else Counter[str]()
    cost = measure(command, environment, scratch)
    figures = {**asdict(cost), "server": work.registry.process.cpu() - before}
    if work.relay:
        passed = Counter(work.relay.counts) - passed
        figures["wire"] = (passed["sent"] + passed["received"]) / MIB
        figures["connections"] = passed["connections"]
    if not _is_floor(command):
        work.check(scratch)
    return figures


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
