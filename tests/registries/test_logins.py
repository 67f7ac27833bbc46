"""Logins that other clients keep: lading uses them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lading import Client, NotFoundError
from lading.testing import Access, Setup, User, serving
from tests.support.programs import require

SECONDS = 60
LOGINS = {
    "crane": "auth login {registry} -u alice -p pw",
    "oras": "login --plain-http {registry} -u alice -p pw",
    "skopeo": "login --tls-verify=false {registry} -u alice -p pw",
}


@pytest.mark.parametrize("program", LOGINS)
def test_a_login_with_capitals_is_used(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """These write the registry into their file as the user has spelled it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    setup = Setup(access=Access(users=(User("alice", "pw"),)), scheme="basic")
    with serving(tmp_path / "registry", setup) as registry, Client() as client:
        loud = registry.name.replace("127.0.0.1", "LOCALHOST")
        words = LOGINS[program].format(registry=loud).split()
        subprocess.run(
            [require(program), *words], env=dict(os.environ), check=True, capture_output=True, timeout=SECONDS
        )
        assert any(loud in file.read_text() for file in home.rglob("*.json"))
        for name in (loud, loud.lower()):
            with pytest.raises(NotFoundError):
                list(client.repository(f"{name}/acme/app").tags.list())
