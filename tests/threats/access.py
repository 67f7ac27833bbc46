"""An embedded registry with users of every role, and who asks it as one of them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lading._io.base import step
from lading._io.blocking import BlockingIO
from lading._wire.auth_challenges import Challenge, challenges
from lading._wire.messages import Origin, Request
from lading.headers import Headers
from lading.server.users_and_rights import Access, Rights, User
from lading.testing import Setup, TestRegistry
from lading.testing.body_helpers import BufferedBody, read_answer
from tests.support.images import image, sha256

ORIGIN = Origin("https", "registry.example", 443)
CARGO = image()
LAYER = sha256(CARGO.layer)
PASSWORD = "correct horse"
USERS = (
    User("owner", PASSWORD),
    User("reader", PASSWORD, Rights(pull=("acme/app",))),
    User("pusher", PASSWORD, Rights(pull=("acme/*",), push=("acme/app",))),
    User("writer", PASSWORD, Rights(push=("acme/app",))),
    User("cleaner", PASSWORD, Rights(delete=("acme/app",))),
    User("lister", PASSWORD, Rights(catalog=True)),
    User("neighbour", PASSWORD, Rights(pull=("acme",), push=("acme/apps", "ac/*"), delete=("other/*",))),
)
PUBLIC = Access(users=USERS, anonymous=Rights(pull=("acme/app",)))
PRIVATE = Access(users=USERS)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes

    @property
    def challenge(self) -> Challenge:
        [challenge] = challenges(self.headers.all("WWW-Authenticate"))
        return challenge


class Caller:
    """Asks a registry, and gets a token first where that is wanted."""

    def __init__(self, root: Path, setup: Setup) -> None:
        self.registry = TestRegistry(root, BlockingIO(), ORIGIN, setup)

    def ask(self, method: str, target: str, content: bytes = b"", /, **fields: str) -> Answer:
        headers = Headers((name.replace("_", "-"), value) for name, value in fields.items())
        response = step(self.registry.handle(Request(method, ORIGIN, target, headers), BufferedBody(content)))
        return Answer(response.status, response.headers, read_answer(response.body))

    def ask_as(self, user: str | None, method: str, target: str, content: bytes = b"", /, **fields: str) -> Answer:
        """Ask as a client does: without anything, and again as the challenge wants it."""
        first = self.ask(method, target, content, **fields)
        if first.status != 401 or (user is None and first.challenge.scheme == "basic"):
            return first
        authorization = basic(user) if user is not None else None
        if first.challenge.scheme == "bearer":
            authorization = f"Bearer {self.token(user, first.challenge.get('scope') or '')}"
        return self.ask(method, target, content, **fields, Authorization=authorization or "")

    def token(self, user: str | None, *scopes: str) -> str:
        query = "&".join(f"scope={quote(scope)}" for scope in scopes)
        fields = {"Authorization": basic(user)} if user is not None else {}
        answer = self.ask("GET", f"/token?service=registry&{query}", **fields)
        assert answer.status == 200
        token: str = json.loads(answer.body)["token"]
        return token


def basic(user: str, password: str = PASSWORD) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


SECRET = sha256(b"secret")
