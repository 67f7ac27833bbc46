"""Loopback, private and public addresses, told by how they are written."""

from __future__ import annotations

import pytest

from lading._wire.private_addresses import is_loopback, is_private, is_public


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


@pytest.mark.parametrize(
    "address",
    [
        # Services of clouds on every machine: Amazon, Google and Azure; Azure's WireServer; Alibaba; Oracle; Tencent.
        *("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "169.254.0.23", "169.254.170.2"),
        *("fd00:ec2::254", "fd20:ce::254"),
        # Special purposes.
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "172.31.255.255", "192.168.0.1"),
        *("192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "100::1", "fc00::1", "fdff::1", "fe80::1", "fec0::1", "feff::1", "ff02::1", "2001:db8::1"),
        *("2001:2::1", "2001:10::1", "3fff::1", "5f00::1", "4000::1"),
        # IPv4 in IPv6: mapped, compatible, translated, 6to4, Teredo, NAT64.
        *("::ffff:10.0.0.1", "::ffff:168.63.129.16", "::10.0.0.1", "::8.8.8.8", "::ffff:0:8.8.8.8"),
        *(
            "2002:0a00:0001::1",
            "2002:a83f:8110::1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::168.63.129.16",
            "64:ff9b::a9fe:a9fe",
        ),
        *("64:ff9b:1::8.8.8.8", "64:ff9b:1::1", "2001:0:808:808:8000:0:f5ff:fffe"),
    ],
)
def test_private_addresses_in_all_their_kinds(address: str) -> None:
    assert not is_public(address)
    assert is_private(f"[{address}]" if ":" in address else address)


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "168.63.129.15", "168.63.129.17", "172.32.0.1"),
        *("192.0.1.1", "198.17.255.255", "198.20.0.1", "223.255.255.255"),
        *("2606:4700::1111", "2001:4860:4860::8888", "2a00::1", "3ffe::1"),
        *("::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::8.8.8.8", "2001:0:808:808:8000:0:f7f7:f7f7"),
    ],
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)
    assert not is_private(f"[{address}]" if ":" in address else address)


@pytest.mark.parametrize("host", ["0xA83F8110", "2822734096", "168.63.33040", "0250.077.0201.020"])
def test_private_addresses_that_are_written_for_resolvers(host: str) -> None:
    """All of these are 168.63.129.16."""
    assert is_private(host)
