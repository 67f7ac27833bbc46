"""Tests of images run as flow tests do: under asyncio, under trio, and stepped with no loop at all."""

from tests.flows.conftest import (
    client,
    events,
    io,
    make_client,
    pytest_generate_tests,
    pytest_pyfunc_call,
    root,
    wire,
)

__all__ = ["client", "events", "io", "make_client", "pytest_generate_tests", "pytest_pyfunc_call", "root", "wire"]
