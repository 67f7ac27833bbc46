from __future__ import annotations

from collections.abc import Iterator

import pytest

from lading.digest import Digest
from lading.documents import Document, ImageConfig, ImageManifest, Manifest, media_type_registry, register
from lading.errors import DocumentError, InvalidMediaTypeError
from lading.media_types import OCI_MANIFEST

REPORT = "application/vnd.acme.report.v1+json"


class Report(Document, frozen=True, kw_only=True):
    report_name: str
    about: Digest | None = None


@pytest.fixture(autouse=True)
def _own_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(media_type_registry, "_KINDS", dict(media_type_registry._KINDS))
        yield


def test_a_registered_type_is_what_the_document_is() -> None:
    register(REPORT, Report)
    manifest = Manifest.parse(b'{"reportName":"x","other":1}', REPORT).expect(Report)
    assert manifest.document == Report(report_name="x")
    assert Manifest.of(Report(report_name="x", about=manifest.digest)).raw.startswith(b'{"reportName":"x","about":"sha')


def test_a_manifest_from_before_the_registration_has_the_type_too() -> None:
    manifest = Manifest.parse(b'{"reportName":"x"}', REPORT)
    register(REPORT, Report)
    assert manifest.expect(Report).document == Report(report_name="x")


def test_a_registered_type_is_read_as_strictly_as_any() -> None:
    register(REPORT, Report)
    with pytest.raises(DocumentError, match="the name 'reportName' twice"):
        Manifest.parse(b'{"reportName":"x","reportName":"y"}', REPORT)
    with pytest.raises(DocumentError, match=r"\$\.reportName: Expected `str`"):
        _ = Manifest.parse(b'{"reportName":5}', REPORT).document


def test_the_same_registration_twice_is_no_error() -> None:
    register(REPORT, Report)
    register(REPORT, Report)


def test_a_second_type_for_a_media_type_is_refused() -> None:
    with pytest.raises(ValueError, match="already has the type ImageManifest"):
        register(OCI_MANIFEST, Report)
    register(REPORT, Report)
    with pytest.raises(ValueError, match="already has the type Report"):
        register(REPORT, ImageConfig)
    assert media_type_registry.kind_of(OCI_MANIFEST) is ImageManifest


def test_a_text_that_is_no_media_type_is_refused() -> None:
    with pytest.raises(InvalidMediaTypeError):
        register("report", Report)


def test_a_type_without_media_type_is_not_written() -> None:
    with pytest.raises(DocumentError, match="Report has no media type"):
        Manifest.of(Report(report_name="x"))
