"""What holds for every test: nothing of the machine's settings or of another test reaches it."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.systems import UnavailableError, stand_in

# How a test that is an `async def` is run, and its fixtures.
pytest_plugins = ["tests.support.flows"]

# On a machine that is busy with other things a slow example is no failure. In CI the examples are the same every time.
settings.register_profile("lading", deadline=None, max_examples=50, derandomize=bool(os.environ.get("CI")))
settings.load_profile("lading")

# What lading, or a program that it calls, reads from the environment.
NAMES = frozenset(
    {
        "ALL_PROXY",
        "COLUMNS",
        "CURL_CA_BUNDLE",
        "DOCKER_CONFIG",
        "FORCE_COLOR",
        "FTP_PROXY",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "LINES",
        "NO_COLOR",
        "NO_PROXY",
        "REGISTRY_AUTH_FILE",
        "REQUESTS_CA_BUNDLE",
        "SSLKEYLOGFILE",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
    }
)
PREFIXES = ("DOCKER_", "LADING_", "REGISTRY_", "XDG_")

_numbers = itertools.count()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-tables", action="store_true", help="write the tables in docs from what is found (-n0)")


@pytest.fixture
def write_tables(request: pytest.FixtureRequest) -> bool:
    """Return whether the pages are to be written."""
    return bool(request.config.getoption("--write-tables"))


def pytest_sessionstart() -> None:
    stand_in()
    # A shell has what it starts in the background ignore Ctrl-C, and the programs that tests start would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # by nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    return (yield from _skipping())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    return (yield from _skipping())


def _skipping() -> Generator[None, object, object]:
    try:
        return (yield)
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def home(_homes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty home directory and an environment without proxies, certificates and credentials."""
    for name in list(os.environ):
        if name.upper() in NAMES or name.startswith(PREFIXES):
            monkeypatch.delenv(name)
    directory = _homes / str(next(_numbers))
    directory.mkdir()
    monkeypatch.setenv("HOME", str(directory))
    if sys.platform == "win32":
        monkeypatch.setenv("USERPROFILE", str(directory))
        monkeypatch.setenv("LOCALAPPDATA", str(directory / "AppData" / "Local"))
    return directory
