"""Each error code of the specification, in both faces."""

from __future__ import annotations

import pickle

import pytest

from lading import (
    BlobUnknownError,
    BlobUploadInvalidError,
    BlobUploadUnknownError,
    Client,
    DeniedError,
    DigestInvalidError,
    ManifestBlobUnknownError,
    ManifestInvalidError,
    ManifestUnknownError,
    NameInvalidError,
    NameUnknownError,
    RegistryError,
    Retries,
    SizeInvalidError,
    TooManyRequestsError,
    UnauthorizedError,
    UnsupportedError,
)
from tests.support.flows import MakeClient
from tests.support.transports import Scripted, answer

NAME = "localhost:5000/acme/app"
LOGIN = {"WWW_Authenticate": 'Basic realm="registry"'}  # what a 401 says; without it, the registry is asked
CODES: list[tuple[str, int, type[RegistryError]]] = [
    ("BLOB_UNKNOWN", 404, BlobUnknownError),
    ("BLOB_UPLOAD_INVALID", 400, BlobUploadInvalidError),
    ("BLOB_UPLOAD_UNKNOWN", 404, BlobUploadUnknownError),
    ("DIGEST_INVALID", 400, DigestInvalidError),
    ("MANIFEST_BLOB_UNKNOWN", 404, ManifestBlobUnknownError),
    ("MANIFEST_INVALID", 400, ManifestInvalidError),
    ("MANIFEST_UNKNOWN", 404, ManifestUnknownError),
    ("NAME_INVALID", 400, NameInvalidError),
    ("NAME_UNKNOWN", 404, NameUnknownError),
    ("SIZE_INVALID", 400, SizeInvalidError),
    ("UNAUTHORIZED", 401, UnauthorizedError),
    ("DENIED", 403, DeniedError),
    ("UNSUPPORTED", 405, UnsupportedError),
    ("TOOMANYREQUESTS", 429, TooManyRequestsError),
]
codes = pytest.mark.parametrize(("code", "status", "kind"), CODES, ids=[code for code, _, _ in CODES])


def refusal(code: str, status: int) -> Scripted:
    return Scripted(answer(status, {"errors": [{"code": code, "message": "because", "detail": {"a": 1}}]}, **LOGIN))


@pytest.mark.spec("errors.client")
@codes
async def test_a_code_is_its_class_in_the_async_face(
    make_client: MakeClient, code: str, status: int, kind: type[RegistryError]
) -> None:
    with pytest.raises(RegistryError) as caught:
        await make_client(refusal(code, status)).repository(NAME).manifests.pull("v1")
    check(caught.value, code, status, kind)


@pytest.mark.spec("errors.client")
@codes
def test_a_code_is_its_class_in_the_blocking_face(code: str, status: int, kind: type[RegistryError]) -> None:
    client = Client(transport=refusal(code, status), retries=Retries(tries=1))
    with pytest.raises(RegistryError) as caught:
        client.repository(NAME).manifests.pull("v1")
    check(caught.value, code, status, kind)


def check(error: RegistryError, code: str, status: int, kind: type[RegistryError]) -> None:
    assert type(error) is kind
    assert (error.status, error.errors[0].code, error.errors[0].detail) == (status, code, {"a": 1})
    said = f"{status} {code}: because"
    known = {"MANIFEST_UNKNOWN": f"{NAME} has no tag 'v1'", "NAME_UNKNOWN": "localhost:5000 has no repository acme/app"}
    assert str(error) == (
        f"{known[code]} ({said})" if code in known else f"{NAME}: pull of manifest v1 refused: {said}"
    )
    assert error.request == "GET localhost:5000/acme/app manifests/v1"
    assert error.response is not None
    assert (error.response.status, error.response.headers.get("WWW-Authenticate")) == (
        status,
        LOGIN["WWW_Authenticate"],
    )
    assert error.response.body is not None
    assert b"because" in error.response.body
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert (type(again), again.response) == (kind, error.response)
