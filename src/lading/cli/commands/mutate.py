"""Change how an image runs, and print its new digest. No layer is downloaded.

Of an index, every image changes, or those for --platform, and the index gets its new entries. An empty value removes a
setting. A new entrypoint removes the command unless --cmd gives one, as in a Dockerfile.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lading.cli.edit_options import add_destination, add_pairs, time, words
from lading.cli.options import add_connection_options, add_platforms
from lading.cli.output import Output, UsageError

if TYPE_CHECKING:
    from lading import Image

# Options that replace one string, and the names of their values: `user` is the account of other verbs.
_TEXTS = (
    ("--user", "run_as", "USER", "user, and group if that follows a colon"),
    ("--workdir", "working_dir", "DIR", "working directory"),
    ("--stop-signal", "stop_signal", "SIGNAL", "signal that stops the container, such as SIGTERM"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    add_destination(parser)
    add_pairs(parser, "env", "a variable of the environment")
    add_pairs(parser, "label", "a label")
    for name in ("entrypoint", "cmd"):
        parser.add_argument(f"--{name}", metavar="WORDS", type=words, help="words as in a shell, or a list in JSON")
    for option, name, what, text in _TEXTS:
        parser.add_argument(option, metavar=what, dest=name, help=text)
    parser.add_argument(
        "--expose", metavar="PORT", action="append", default=[], help="add a port, such as 80 or 53/udp"
    )
    parser.add_argument("--volume", metavar="DIR", action="append", default=[], help="add a volume")
    parser.add_argument(
        "--created", metavar="TIME", type=time, help="such as 2026-01-31T12:00:00Z (default: SOURCE_DATE_EPOCH)"
    )
    add_platforms(parser)
    add_connection_options(parser, account=False)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected
    from lading.cli.copy_output import registries_beside, show
    from lading.cli.edit_options import pairs

    changes: dict[str, Any] = {
        "env": pairs(options.env, options.env_remove, "variable"),
        "labels": pairs(options.label, options.label_remove, "label"),
        "ports": options.expose,
        "volumes": options.volume,
    }
    replaced = {"user": options.run_as}
    replaced |= {
        name: getattr(options, name) for name in ("entrypoint", "cmd", "working_dir", "stop_signal", "created")
    }
    changes |= {name: value for name, value in replaced.items() if value is not None}
    if not any(value or isinstance(value, str | tuple) for value in changes.values()):
        raise UsageError("nothing to change: give --env, --label, --entrypoint or another such option")
    with connected(options, output, *registries_beside(options.reference, [options.to])) as client:
        mutated = client.images.edit(
            options.reference, options.to, lambda image: _mutated(image, changes), platforms=options.platforms
        )
    show(mutated, output)


def _mutated(image: Image, changes: dict[str, Any]) -> Image:
    """Return the changed image. Raises `UsageError` for a wrong value, such as a port that is not one."""
    try:
        return image.mutated(**changes)
    except ValueError as error:
        raise UsageError(str(error)) from error
