"""Time lading and other clients at the same works, in turns, and print medians and ratios.

    python -m benchmarks.suite [STAGE…] [--works NAMES] [--small] [--rounds N] [--save FILE] [--write DIR]

The registry is CNCF Distribution 3 on loopback. It keeps its content in memory (`/dev/shm`), and clients write there
too, so that disks are not what is measured; `--write` has them write somewhere else. Every run is a process of its own.
Clients take turns within a round, and ratios are taken within a round before the median is. Requests are counted
in runs of their own that are not timed, by registries that log them; bytes and connections in the timed ones, by the
relay that makes the distance. A client that takes longer than `--patience` for a work does it in one round only.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import printed, save
from benchmarks.running import arguments, measured, present


def main() -> None:
    """Run the stages that the command line names."""
    parser = arguments(__doc__)
    parser.add_argument("--save", type=Path, help="add the figures to this file of JSON")
    options = parser.parse_args()
    clients = present(options)
    for each in measured(options, clients):
        print(printed(each), flush=True)
        if options.save:
            save(options.save, each, clients)


if __name__ == "__main__":
    main()
