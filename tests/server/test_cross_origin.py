"""Which answers of the embedded registry a browser lets a page of another origin read."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from lading._io.base import step
from lading._io.blocking import BlockingIO
from lading._wire.messages import Origin, Request, Response
from lading.headers import Headers
from lading.server.cross_origin import CrossOrigin
from lading.server.handler import EmbeddedRegistry

PAGE = "https://pages.example.org"


class Nothing:
    async def read(self) -> bytes:
        return b""


def answer(root: Path, *origins: str, method: str = "GET", **headers: str) -> Response:
    fields = Headers((name.replace("_", "-"), value) for name, value in headers.items())
    handler = CrossOrigin(EmbeddedRegistry(root, BlockingIO()), origins)
    return step(handler.handle(Request(method, Origin("http", "localhost", 80), "/v2/", fields), Nothing()))


def test_a_page_that_is_allowed_can_read_answers(tmp_path: Path) -> None:
    for origins in ((PAGE,), ("*",), ("https://other.example.org", PAGE)):
        response = answer(tmp_path, *origins, Origin=PAGE)
        assert response.status == 200
        assert response.headers.get("Access-Control-Allow-Origin") == PAGE
        assert response.headers.get("Access-Control-Expose-Headers") == "*"
        assert response.headers.get("Vary") == "Origin"
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origins", [(), ("https://other.example.org",), ("https://pages.example.org:8443",)])
def test_any_other_page_is_told_nothing(tmp_path: Path, origins: tuple[str, ...]) -> None:
    for method in ("GET", "OPTIONS"):
        response = answer(tmp_path, *origins, method=method, Origin=PAGE, Access_Control_Request_Method="PUT")
        assert not any(name.lower().startswith("access-control") for name, _ in response.headers)


def test_who_is_no_page_is_answered_as_ever(tmp_path: Path) -> None:
    assert "Vary" not in answer(tmp_path, "*").headers


def test_a_browser_may_ask_before_it_pushes(tmp_path: Path) -> None:
    response = answer(
        tmp_path,
        PAGE,
        method="OPTIONS",
        Origin=PAGE,
        Access_Control_Request_Method="PUT",
        Access_Control_Request_Headers="authorization,content-type",
    )
    assert (response.status, response.body.readinto(memoryview(bytearray(1)))) == (204, 0)
    assert response.headers.get("Access-Control-Allow-Headers") == "authorization,content-type"
    assert "PUT" in (response.headers.get("Access-Control-Allow-Methods") or "")
    response.body.close()
    assert isinstance(response.body, io.BytesIO)


def test_options_that_asks_for_nothing_is_no_question(tmp_path: Path) -> None:
    assert answer(tmp_path, PAGE, method="OPTIONS", Origin=PAGE).status == 405
