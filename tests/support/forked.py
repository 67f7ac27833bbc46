"""The command in a process of its own that does not import lading again: a copy of one that has.

Of the 250 ms that a command costs, 230 are imports and the end of the interpreter, and tests run thousands of commands.
Here a server, one for each process of pytest, has imported the command; for each call it forks. The copy has its own
arguments, environment, directory, streams and exit code. What only a real start shows has tests that make one: which
modules are imported, signals, terminals, streams. `run` itself makes one on macOS, and if the environment has other
settings that Python reads at its start. Windows makes no copies, and a start takes seconds under Wine: there the
command runs in the process of the tests.
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import pkgutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, chdir, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import lading

ROOT = Path(__file__).parents[2]
READ_AT_START = ("PYTHON", "LANG", "LC_", "MALLOC", "LD_")


def run(
    arguments: list[str], cwd: Path, environment: Mapping[str, str], stdin: bytes, seconds: float
) -> subprocess.CompletedProcess[bytes]:
    """Run `lading` with these arguments; a process that takes longer is killed, with `subprocess.TimeoutExpired`."""
    if sys.platform == "win32" and _start_settings(environment) == _start_settings(own_environment()):
        return _run_here(arguments, cwd, environment, stdin)
    # On macOS a copy may not use the system's libraries.
    if sys.platform != "linux" or _start_settings(environment) != _server(os.getpid())[1]:
        command = [sys.executable, "-P", "-m", "lading", *arguments]
        return subprocess.run(
            command, cwd=cwd, env=environment, input=stdin, capture_output=True, timeout=seconds, check=False
        )
    with ExitStack() as opened, ThreadPoolExecutor(2) as readers:
        call, theirs = map(opened.enter_context, socket.socketpair())
        stdin_reader, stdin_writer = os.pipe()
        stdout_reader, stdout_writer = os.pipe()
        stderr_reader, stderr_writer = os.pipe()
        passed = (stdin_reader, stdout_writer, stderr_writer)
        socket.send_fds(_server(os.getpid())[0], [b"."], [theirs.fileno(), *passed])
        theirs.close()
        for descriptor in passed:
            os.close(descriptor)
        call.sendall(json.dumps([arguments, str(cwd), dict(environment)]).encode())
        call.shutdown(socket.SHUT_WR)
        call.settimeout(seconds)
        answers = opened.enter_context(call.makefile("r"))
        outputs = [readers.submit(_read, descriptor) for descriptor in (stdout_reader, stderr_reader)]
        process = int(answers.readline())
        with suppress(BrokenPipeError), os.fdopen(stdin_writer, "wb") as writer:  # it may end without reading all
            writer.write(stdin)
        try:
            code = int(answers.readline())
        except TimeoutError:
            os.kill(process, 9)
            raise subprocess.TimeoutExpired(["lading", *arguments], seconds) from None
        return subprocess.CompletedProcess(["lading", *arguments], code, *(output.result() for output in outputs))


def own_environment() -> dict[str, str]:
    """Return the environment of a command without settings of its own."""
    from tests.cli.process import environment  # not to be found by the server below

    return environment()


def _run_here(
    arguments: list[str], cwd: Path, environment: Mapping[str, str], stdin: bytes
) -> subprocess.CompletedProcess[bytes]:
    from lading.cli.main import main

    kept = dict(os.environ), sys.argv, sys.stdin, sys.stdout, sys.stderr
    stdout, stderr = io.BytesIO(), io.BytesIO()
    try:
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["lading", *arguments]
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
        sys.stdout = io.TextIOWrapper(stdout, "utf-8")
        sys.stderr = io.TextIOWrapper(stderr, "utf-8", "backslashreplace", line_buffering=True)
        with chdir(cwd):
            code = main(arguments)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        return subprocess.CompletedProcess(["lading", *arguments], code, stdout.getvalue(), stderr.getvalue())
    finally:
        os.environ.clear()
        os.environ.update(kept[0])
        _, sys.argv, sys.stdin, sys.stdout, sys.stderr = kept


def _start_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}


def _read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


@cache
def _server(_process: int) -> tuple[socket.socket, dict[str, str]]:
    """Start the server of this process, which ends when this end of its socket is closed; return what Python read."""
    started_with = own_environment()
    ours, theirs = socket.socketpair()
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-P", __file__, str(theirs.fileno())],
            env=started_with,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    atexit.register(server.wait)
    atexit.register(ours.close)  # before the wait
    return ours, _start_settings(started_with)


def _serve(control: socket.socket) -> None:
    """Answer calls until no process can make one. Returns in a process that is to be the command."""
    for module in pkgutil.walk_packages(lading.__path__, "lading."):
        if not module.name.startswith(("lading.__main__", "lading.testing", "lading._io.system.windows_")):
            import_module(module.name)
    gc.freeze()  # what is there now is not looked at again when a copy ends
    while True:
        said, descriptors, _, _ = socket.recv_fds(control, 1, 4)
        if not said:
            os._exit(0)
        if os.fork():
            for descriptor in descriptors:
                os.close(descriptor)
            # A child that has ended is collected with the next call.
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            continue
        control.close()
        if _became_command(descriptors):
            return


def _became_command(descriptors: list[int]) -> bool:
    """Make the command out of a copy of this process, and tell the caller its id and how it ended."""
    call = socket.socket(fileno=descriptors[0])
    with call.makefile("rb") as file:
        arguments, directory, environment = json.load(file)
    process = os.fork()
    if not process:
        call.detach()
        for number, descriptor in enumerate(descriptors[1:]):
            os.dup2(descriptor, number)
        os.closerange(3, 1024)
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = ["lading", *arguments]
        _open_streams()
        return True
    for descriptor in descriptors[1:]:
        os.close(descriptor)
    call.sendall(f"{process}\n".encode())
    _, status = os.waitpid(process, 0)
    with suppress(BrokenPipeError):  # the caller stopped waiting
        call.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _open_streams() -> None:
    """Open the standard streams as Python does at its start."""
    encoding, errors = sys.stdout.encoding, sys.stdout.errors
    sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb"), encoding=encoding, errors=errors)
    sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb"), encoding=encoding, errors=errors)
    sys.stderr = io.TextIOWrapper(os.fdopen(2, "wb"), encoding=encoding, errors="backslashreplace", line_buffering=True)


def _command() -> NoReturn:
    """Run the command, and end as an interpreter does, except that it does not take all modules apart, for 40 ms."""
    from lading.cli.main import run as run_command

    try:
        run_command()
    except SystemExit as ending:
        code = ending.code
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter does
    atexit._run_exitfuncs()
    gc.collect()  # tells of coroutines that were not awaited, and of errors in finalizers
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(int(code or 0))


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    _command()
