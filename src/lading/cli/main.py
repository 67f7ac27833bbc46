"""The command line: from arguments to an exit code.

Only what `--help` and `--version` need is imported here. Exit codes: 0 done, 1 refused or failed, 2 usage, 3 not
found, 4 not allowed, 5 verification failed, 6 no answer; and, as shells count them, 130 for Ctrl-C, 143 for SIGTERM,
141 when the reader of the output has closed it. Windows has 149 for Ctrl-Break in place of SIGTERM.
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

from lading.cli import argument_parser
from lading.cli.output import ClosedPipeError, Output

# Objects made between two searches for garbage; a short command makes some 25,000 in all.
_COLLECT_AFTER = 20_000
_CLOSED_PIPE = 128 + 13  # SIGPIPE, also where there is no such signal


def run() -> NoReturn:
    """Run the command with the arguments of this process, and exit."""
    # Imports make objects that stay, which Python would search for garbage ten times on the way, and once more at exit.
    gc.set_threshold(_COLLECT_AFTER)
    # Windows has no SIGHUP; its SIGBREAK is Ctrl-Break, and the closing of the console.
    found = (getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP", "SIGBREAK"))
    for number in filter(None, found):
        if signal.getsignal(number) is signal.SIG_DFL:  # a signal that `nohup` ignores stays ignored
            signal.signal(number, _terminate)
    code = main(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors are printed to stderr."""
    output = Output()
    try:
        code = _dispatch(arguments, output)
        output.finish()
    except SystemExit as leaving:  # by argparse, or by SIGTERM
        code = leaving.code if isinstance(leaving.code, int) else 0
    except KeyboardInterrupt:
        output.problem("interrupted")
        code = 128 + signal.SIGINT
    except (ClosedPipeError, BrokenPipeError):  # the second by argparse printing its help, in an early Python 3.11
        code = _CLOSED_PIPE
    except Exception as error:  # noqa: BLE001  # the one place where every error becomes a line and a code
        from lading.cli import exit_codes

        code = exit_codes.tell(error, output)
    output.abandon()
    return code


def _dispatch(arguments: Sequence[str], output: Output) -> int:
    verb, rest = argument_parser.split(arguments)
    module = import_module(f"lading.cli.commands.{verb.replace(' ', '_')}")
    options = argument_parser.parse(verb, module, rest)
    output.configure(json=options.json, quiet=options.quiet, verbose=options.verbose)
    return module.run(options, output) or 0


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
