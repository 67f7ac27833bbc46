"""Tests of images run as flow tests do: under asyncio, under trio, and stepped with no loop at all."""

from tests.flows.conftest import io, pytest_generate_tests, pytest_pyfunc_call

__all__ = ["io", "pytest_generate_tests", "pytest_pyfunc_call"]
