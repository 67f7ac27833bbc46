"""Tests of images run as flow tests do: under asyncio, under trio, and stepped with no loop at all."""

from __future__ import annotations

import io as streams
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lading import AsyncClient
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
from tests.images.shelf import Shelf
from tests.support.layers import read_tar

__all__ = ["client", "events", "io", "make_client", "pytest_generate_tests", "pytest_pyfunc_call", "root", "wire"]


@pytest.fixture
def exported(client: AsyncClient) -> Callable[..., Awaitable[dict[str, str | bytes]]]:
    """Export the files of an image, and read the archive with Python's own reader."""

    async def export(reference: str, **options: Any) -> dict[str, str | bytes]:
        out = streams.BytesIO()
        await client.export_tar(reference, out, **options)
        return read_tar(out.getvalue())

    return export


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path / "layout"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")
