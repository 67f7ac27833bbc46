"""Run a registry over a directory, until Ctrl-C.

Each repository is an OCI image layout in it. Without DIR, a temporary directory is used, and removed at the end. There
is no login: every client that reaches the address can push and delete.
"""

from __future__ import annotations

import argparse
import signal
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lading.cli.options import directory as plain_directory, port
from lading.cli.output import Output

if TYPE_CHECKING:
    from lading import Origin

_HOST = "127.0.0.1"
_PORT = 5000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "directory", metavar="DIR", nargs="?", help="the directory; created if missing (default: a temporary one)"
    )
    parser.add_argument("--host", default=_HOST, help=f"address to listen on (default: {_HOST})")
    parser.add_argument(
        "--port", type=port, default=_PORT, help=f"port to listen on; 0 takes a free one (default: {_PORT})"
    )
    parser.add_argument(
        "--allow-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        dest="pages",
        help="allow web pages of this origin, such as https://example.org, or '*' for all; may be repeated",
    )


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading import LadingError, storage_errors

    missing = [name for name in ("uvicorn", "httptools") if find_spec(name) is None]
    if missing:
        raise LadingError(f"serving needs {' and '.join(missing)}: pip install 'lading[cli]'")
    from lading.server.serving import serve

    with ExitStack() as leaving:
        directory = options.directory
        if directory is None:
            from tempfile import TemporaryDirectory

            directory = leaving.enter_context(TemporaryDirectory(prefix="lading-", ignore_cleanup_errors=True))
        else:
            _check(Path(plain_directory(directory)))
        temporary = options.directory is None

        def ready(origin: Origin) -> None:
            if output.json:
                output.result({"registry": origin.authority, "directory": directory})
                output.flush()
            output.notice(f"serving {directory}{' (removed at the end)' * temporary} at {origin.authority}")

        if not _is_loopback(options.host):
            output.warning(f"every client that reaches {options.host} can push and delete: there is no login")
        try:
            with storage_errors(f"cannot serve at {options.host}:{options.port}"):
                serve(Path(directory), host=options.host, port=options.port, pages=options.pages, ready=ready)
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
    return 0


def _check(directory: Path) -> None:
    """Create the directory if it is missing. Raises `StorageError` if it cannot be served."""
    from lading import StorageError, storage_errors

    if directory.exists() and not directory.is_dir():
        raise StorageError(f"cannot serve {str(directory)!r}: is not a directory")
    with storage_errors(f"cannot serve {str(directory)!r}"):
        directory.mkdir(parents=True, exist_ok=True)
        next(directory.iterdir(), None)


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
