"""Fixtures of the tests of images and of their file systems: a shelf to put images on, and an export of their files."""

from __future__ import annotations

import io as streams
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lading import AsyncClient
from tests.support.layers import read_tar
from tests.support.shelf import Shelf


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
