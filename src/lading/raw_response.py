"""Raw response of a registry: status, header fields and document, next to the typed results."""

from __future__ import annotations

from typing import Any

from lading._result import Result
from lading.headers import Headers


class RawResponse(Result, frozen=True):
    """One request and the response to it, as `Client.record` and `RegistryError.response` give it.

    Every redirect and every retry is a response of its own.
    """

    request: str
    """Method, host and target of the request, without secrets: `GET ghcr.io/acme/app manifests/v1`."""

    sent: Headers
    """Header fields of the request. Those that may hold secrets have the value REDACTED."""

    status: int
    """HTTP status code."""

    headers: Headers
    """Header fields of the response. Cookies, and what is secret in the values of others, are replaced by REDACTED."""

    body: bytes | None = None
    """Body, decoded as its Content-Encoding says, if it is a document of the registry: a manifest, a list or an error.

    None for the content of blobs and for the responses of token servers, whose bodies are secrets. A recording keeps
    64 MiB of bodies: after that, None.
    """

    def to_dict(self) -> dict[str, Any]:
        """Return the response as plain JSON values: header fields as pairs of name and value, the body as a string.

        Bytes of the body that are not UTF-8 become U+FFFD. A body that is None is left out.
        """
        record: dict[str, Any] = {
            "request": self.request,
            "sent": [list(field) for field in self.sent],
            "status": self.status,
            "headers": [list(field) for field in self.headers],
        }
        return record if self.body is None else {**record, "body": self.body.decode("utf-8", "replace")}

    def __repr__(self) -> str:
        size = "no body" if self.body is None else f"{len(self.body)} bytes"
        return f"<RawResponse {self.request}: {self.status}, {size}>"
