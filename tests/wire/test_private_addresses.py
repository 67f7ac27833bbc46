"""What is loopback, told by the host as it is written."""

from __future__ import annotations

import pytest

from lading._wire.private_addresses import is_loopback


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("foo.localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("[::1]", True),
        ("::1", True),
        ("[0:0:0:0:0:0:0:1]", True),
        ("[::ffff:127.0.0.1]", True),
        ("localhost.example", False),
        ("notlocalhost", False),
        ("128.0.0.1", False),
        ("127.999.0.1", False),
        ("127.0.0.1.example", False),
        ("[::2]", False),
        ("[::ffff:10.0.0.1]", False),
        ("", False),
    ],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
