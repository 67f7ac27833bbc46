"""Manifests: their bytes, media type and digest, and a typed view of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import NoneType
from typing import Any, Generic, TypeVar, cast

import msgspec

from lading import strict_json
from lading._values import expect
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents.document import Document, UnknownDocument, check_kind
from lading.documents.json_editing import changed, rewritten
from lading.documents.media_type_registry import kind_of, media_type_of
from lading.documents.type_confusion import check_structure
from lading.errors import DocumentError, InvalidMediaTypeError, UnexpectedMediaTypeError
from lading.media_types import DOCKER_SCHEMA1, OCI_INDEX, OCI_MANIFEST, check_media_type
from lading.verification import Verifier

# Content-Types of servers that do not know the type of their content.
_SAY_NOTHING = frozenset({"", "application/json", "application/octet-stream"})

T = TypeVar("T", bound=Document)
U = TypeVar("U", bound=Document)
T_co = TypeVar("T_co", covariant=True)


# With a dictionary, in which `cached_property` keeps its value.
class Manifest(msgspec.Struct, Generic[T_co], frozen=True, eq=False, dict=True):
    """Manifest: its bytes, media type and digest. Immutable. Use `parse` or `of` to make one."""

    raw: bytes
    """Bytes of the manifest, exactly as they are stored."""
    media_type: str
    """Media type of the manifest, without parameters."""
    digest: Digest
    """Digest of the bytes."""
    _tree: Mapping[str, Any] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Manifest) and self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash(self._parts())

    def __repr__(self) -> str:
        return f"<Manifest {self.media_type} {self.digest}>"

    def _parts(self) -> tuple[bytes, str, Digest]:
        return self.raw, self.media_type, self.digest

    @classmethod
    def parse(cls, raw: bytes, media_type: str | None = None, *, digest: str | None = None) -> Manifest[Document]:
        """Parse bytes as a manifest of a media type, such as a Content-Type; without one, of the `mediaType` inside.

        With `digest` the bytes are verified first. If the media type has no registered type, the content is not parsed.

        Raises `DigestMismatchError`, `InvalidDigestError`, and `DocumentError` for JSON that parsers read differently,
        for media types that contradict each other (distribution-spec, Pulling manifests) and for content that is not a
        manifest.
        """
        named = _verified(raw, digest)
        announced = _announced(media_type)
        if announced is not None and kind_of(announced) is None:
            return Manifest(raw, announced, named)
        if raw.lstrip()[:1] == b"<":
            raise DocumentError("the manifest is an HTML or XML page: is this a registry?")
        what = announced or "manifest"
        tree = strict_json.parse(raw, what)
        if not isinstance(tree, dict):
            raise DocumentError(f"{what} is invalid: $: Expected `object`")
        actual = _media_type(tree, announced)
        if kind_of(actual) is None:
            return Manifest(raw, actual, named)
        check_structure(tree, actual)
        return Manifest(raw, actual, named, tree)

    @classmethod
    def of(cls, document: T, *, algorithm: str = "sha256") -> Manifest[T]:
        """Write a document as compact JSON with its fields in their order.

        Raises `DocumentError` for values that could not be read back and for a type that is not registered for a media
        type, and `InvalidDigestError` for an algorithm other than sha256 and sha512.
        """
        expect(document, Document, "document", "make an ImageManifest or ImageIndex, or use Manifest.parse for bytes")
        return _readable(strict_json.encode(document), media_type_of(type(document)), algorithm)

    @cached_property
    def document(self) -> T_co:
        """Typed view of the bytes: an `UnknownDocument` if no type is registered for the media type.

        Raises `DocumentError`, which gives the path of the wrong value, if the JSON does not match the type.
        """
        kind = kind_of(self.media_type)
        if kind is None:
            return cast("T_co", UnknownDocument())
        if self._tree is None:  # the type was registered since
            return cast("T_co", Manifest.parse(self.raw, self.media_type).document)
        return cast("T_co", strict_json.typed(self._tree, kind, self.media_type))

    @property
    def descriptor(self) -> Descriptor:
        """Descriptor with media type, digest and size, and the `artifactType` if the manifest has one."""
        artifact_type = (self._tree or {}).get("artifactType")
        return Descriptor(
            self.media_type,
            self.digest,
            len(self.raw),
            artifact_type=artifact_type if isinstance(artifact_type, str) else None,
        )

    def expect(self, kind: type[U]) -> Manifest[U]:
        """Return the manifest if its document is of a type, such as `ImageManifest`.

        Raises `UnexpectedMediaTypeError`, which states the actual type, if it is not.
        """
        check_kind(kind)
        actual = kind_of(self.media_type)
        if actual is None or not issubclass(actual, kind):
            name = f" ({actual.__name__})" if actual else ""
            raise UnexpectedMediaTypeError(f"{self.digest} is {self.media_type}{name}, expected {kind.__name__}")
        return cast("Manifest[U]", self)

    def edited(self, **changes: Any) -> Manifest[T_co]:
        """Return the manifest with new values for some fields of its document; None removes a field.

        Names are the fields of the document's type; a new `media_type` becomes the manifest's. Members unknown to the
        type and the order stay as they are; the JSON becomes compact. The digest has the same algorithm.

        Raises `UnexpectedMediaTypeError` for an `UnknownDocument`, `DocumentError` if the result does not match the
        type, and `TypeError` for a name that is not a field.
        """
        before = self.document
        if not isinstance(before, Document) or isinstance(before, UnknownDocument):
            raise UnexpectedMediaTypeError(
                f"{self.digest} is {self.media_type}, which cannot be edited: register a type"
            )
        raw = rewritten(self.raw, before, changed(before, changes))
        return _readable(raw, changes.get("media_type") or self.media_type, self.digest.algorithm)


def open_document(raw: bytes, media_type: str) -> Any:
    """Return the typed view of a document whose bytes are already verified, such as a config.

    The view is an `UnknownDocument` if no type is registered for the media type. Raises `DocumentError` as `Manifest`
    does.
    """
    return Manifest.parse(raw, media_type).document


def _readable(raw: bytes, media_type: str, algorithm: str) -> Manifest[Any]:
    manifest = Manifest.parse(raw, media_type, digest=Digest.of(raw, algorithm))
    # Only documents that can be read back are sent: making the view now raises if this one cannot.
    _ = manifest.document
    return manifest


def _verified(raw: bytes, digest: str | None) -> Digest:
    if digest is None:
        return Digest.of(raw)
    expected = Digest(digest)
    verifier = Verifier(expected)
    verifier.update(raw)
    verifier.finish()
    return expected


def _announced(media_type: str | None) -> str | None:
    """Return a Content-Type without parameters, None if it states no type of manifest."""
    expect(media_type, (str, NoneType), "media_type")
    essence = (media_type or "").partition(";")[0].strip()
    if essence.lower() in _SAY_NOTHING or essence.lower().startswith("text/"):
        return None
    return _checked(essence)


def _media_type(tree: Mapping[str, Any], announced: str | None) -> str:
    own = tree.get("mediaType")
    if own is None:
        return announced or _guessed(tree)
    if not isinstance(own, str):
        raise DocumentError("manifest is invalid: $.mediaType: Expected `str`")
    _checked(own)
    if announced is not None and announced.lower() != own.lower():
        raise DocumentError(f"media types contradict each other: announced as {announced}, but mediaType is {own}")
    return announced or own


def _checked(text: str) -> str:
    try:
        return check_media_type(text)
    except InvalidMediaTypeError as error:
        raise DocumentError(str(error)) from None


def _guessed(tree: Mapping[str, Any]) -> str:
    """Guess the media type of a document without `mediaType`, which is optional (manifest.md, image-index.md)."""
    if "manifests" in tree:
        return OCI_INDEX
    if "layers" in tree:
        return OCI_MANIFEST
    if "fsLayers" in tree:
        return DOCKER_SCHEMA1
    raise DocumentError("not a manifest: it has no mediaType, and neither layers nor manifests")
