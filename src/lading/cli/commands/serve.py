"""Run a registry over a directory, until Ctrl-C.

Each repository is an OCI image layout in it. Without a directory, a temporary one is used, and removed at the end.
Anybody who reaches the address may push and delete: there is no login.
"""

from __future__ import annotations

import argparse
import signal
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lading.cli.options import port
from lading.cli.output import Output

if TYPE_CHECKING:
    from lading._wire.messages import Origin

_HOST = "127.0.0.1"
_PORT = 5000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument(
        "directory", metavar="DIR", nargs="?", help="what to serve; made if missing (default: a temporary one)"
    )
    parser.add_argument("--host", default=_HOST, help=f"the address to listen at (default: {_HOST})")
    parser.add_argument("--port", type=port, default=_PORT, help=f"default: {_PORT}; 0 takes a free one")
    parser.add_argument(
        "--allow-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        dest="pages",
        help="let web pages of this origin use the registry, such as https://example.org; '*' for all; may be repeated",
    )


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading.errors import LadingError, storage_errors

    missing = [name for name in ("uvicorn", "httptools") if find_spec(name) is None]
    if missing:
        raise LadingError(f"serving needs {' and '.join(missing)}: pip install 'lading[cli]'")
    from lading.server.serving import serve

    with ExitStack() as leaving:
        directory = options.directory
        if directory is None:
            from tempfile import TemporaryDirectory

            directory = leaving.enter_context(TemporaryDirectory(prefix="lading-", ignore_cleanup_errors=True))
        passing = options.directory is None

        def ready(origin: Origin) -> None:
            if output.json:
                output.result({"registry": origin.authority, "directory": directory})
                output.flush()
            output.notice(f"serving {directory}{' (removed at the end)' * passing} at {origin.authority}")

        try:
            with storage_errors(f"cannot serve at {options.host}:{options.port}"):
                serve(Path(directory), host=options.host, port=options.port, pages=options.pages, ready=ready)
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
    return 0
