"""The benchmarks say how many requests a client makes: what a registry is asked meanwhile, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.registries import Registry, distribution
from lading import Client, NameUnknownError
from tests.support.programs import require


def ask(registry: Registry) -> None:
    """Make two requests, of which the registry knows no answer to one."""
    with Client() as client:
        client.registry(registry.address).ping()
        with pytest.raises(NameUnknownError):
            list(client.repository(f"{registry.address}/nothing").tags.list())


def test_requests_are_counted_by_method_at_the_address_that_was_there(tmp_path: Path) -> None:
    require("registry")
    with distribution(tmp_path) as registry:
        address, timed = registry.address, registry.process
        ask(registry)
        with registry.counting() as requests:
            assert registry.address == address
            assert registry.process != timed
            ask(registry)
            with Client() as client:
                assert not client.repository(f"{address}/nothing").manifests.exists("1")
        assert requests == {"GET": 2, "HEAD": 1}

        ask(registry)
        assert registry.address == address
        assert requests == {"GET": 2, "HEAD": 1}
        assert "GET /v2/" not in (tmp_path / "log").read_text(encoding="utf-8")
