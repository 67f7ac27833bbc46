"""The client of the OCI Distribution API: every public name, each imported when it is first used.

from lading import Client

with Client() as client:
print(list(client.repository("ghcr.io/acme/app").tags.list()))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lading._version import __version__ as __version__

if TYPE_CHECKING:
    from lading._blocking import (
        Blobs as Blobs,
        BlobStream as BlobStream,
        Client as Client,
        Images as Images,
        Indexes as Indexes,
        Manifests as Manifests,
        Referrers as Referrers,
        Registry as Registry,
        Repository as Repository,
        Tags as Tags,
        Upload as Upload,
        Uploads as Uploads,
    )
    from lading._core.artifacts.artifact import Artifact as Artifact, Blob as Blob, File as File, Pulled as Pulled
    from lading._core.client import AsyncClient as AsyncClient
    from lading._core.copying.plan import Copied as Copied, Step as Step
    from lading._core.exchange.gate import Gate as Gate
    from lading._core.exchange.recording import RecordedExchange as RecordedExchange
    from lading._core.exchange.retry import Retries as Retries
    from lading._core.exchange.settings import Budgets as Budgets
    from lading._core.graph.evidence import Evidence as Evidence
    from lading._core.graph.predecessors import ReferrerTree as ReferrerTree
    from lading._core.graph.verify import Problem as Problem, Verified as Verified
    from lading._core.images.image import Image as Image, Layer as Layer
    from lading._core.images.image_diff import (
        HistoryChange as HistoryChange,
        ImageDiff as ImageDiff,
        LayerChange as LayerChange,
        ValueChange as ValueChange,
    )
    from lading._core.images.index_entries import NewEntry as NewEntry
    from lading._core.images.inspection_types import (
        BuildStep as BuildStep,
        IndexEntry as IndexEntry,
        Inspection as Inspection,
    )
    from lading._core.images.packed_layer import PackedLayer as PackedLayer
    from lading._core.repository.blobs import AsyncBlobs as AsyncBlobs
    from lading._core.repository.manifests import AsyncManifests as AsyncManifests
    from lading._core.repository.referrers import AsyncReferrers as AsyncReferrers
    from lading._core.repository.registry import AsyncRegistry as AsyncRegistry
    from lading._core.repository.repository import AsyncRepository as AsyncRepository
    from lading._core.repository.tags import AsyncTags as AsyncTags
    from lading._core.rootfs.export import Exported as Exported
    from lading._core.rootfs.file_changes import FileChange as FileChange
    from lading._core.rootfs.file_listing import FileEntry as FileEntry
    from lading._core.tar.decompression import Limits as Limits
    from lading._core.transfer.blob_stream import AsyncBlobStream as AsyncBlobStream
    from lading._core.transfer.uploads import (
        AsyncUpload as AsyncUpload,
        AsyncUploads as AsyncUploads,
        UploadState as UploadState,
    )
    from lading._core.verbs.edits import AsyncImages as AsyncImages
    from lading._core.verbs.indexes import AsyncIndexes as AsyncIndexes
    from lading._io.base import Cancellation as Cancellation, Transport as Transport
    from lading._wire.messages import (
        Headers as Headers,
        Origin as Origin,
        Reader as Reader,
        Request as Request,
        Response as Response,
        Source as Source,
    )
    from lading._wire.response_facts import Extension as Extension
    from lading.auth.credentials import (
        Chain as Chain,
        Credential as Credential,
        CredentialSource as CredentialSource,
        Explicit as Explicit,
        Found as Found,
    )
    from lading.descriptor import Descriptor as Descriptor
    from lading.digest import Digest as Digest
    from lading.documents import (
        DockerManifest as DockerManifest,
        DockerManifestList as DockerManifestList,
        Document as Document,
        HelmConfig as HelmConfig,
        ImageConfig as ImageConfig,
        ImageIndex as ImageIndex,
        ImageManifest as ImageManifest,
        Manifest as Manifest,
        open_document as open_document,
        register as register,
    )
    from lading.errors import (
        AuthError as AuthError,
        BlobUnknownError as BlobUnknownError,
        BlobUploadInvalidError as BlobUploadInvalidError,
        BlobUploadUnknownError as BlobUploadUnknownError,
        ConnectionFailedError as ConnectionFailedError,
        CopyError as CopyError,
        CredentialHelperError as CredentialHelperError,
        DeniedError as DeniedError,
        DigestInvalidError as DigestInvalidError,
        DigestMismatchError as DigestMismatchError,
        DocumentError as DocumentError,
        ErrorEntry as ErrorEntry,
        ForbiddenRedirectError as ForbiddenRedirectError,
        InvalidDigestError as InvalidDigestError,
        InvalidMediaTypeError as InvalidMediaTypeError,
        InvalidPlatformError as InvalidPlatformError,
        InvalidReferenceError as InvalidReferenceError,
        InvalidTagError as InvalidTagError,
        LadingError as LadingError,
        LayoutError as LayoutError,
        LimitExceededError as LimitExceededError,
        ManifestBlobUnknownError as ManifestBlobUnknownError,
        ManifestInvalidError as ManifestInvalidError,
        ManifestUnknownError as ManifestUnknownError,
        NameInvalidError as NameInvalidError,
        NameUnknownError as NameUnknownError,
        NotFoundError as NotFoundError,
        ProtocolError as ProtocolError,
        RangeNotSatisfiableError as RangeNotSatisfiableError,
        RegistryError as RegistryError,
        RejectedError as RejectedError,
        ServerError as ServerError,
        SizeInvalidError as SizeInvalidError,
        SizeMismatchError as SizeMismatchError,
        StorageError as StorageError,
        TimedOutError as TimedOutError,
        TokenError as TokenError,
        TooManyRequestsError as TooManyRequestsError,
        TransportError as TransportError,
        UnauthorizedError as UnauthorizedError,
        UnexpectedMediaTypeError as UnexpectedMediaTypeError,
        UnsupportedError as UnsupportedError,
        VerificationError as VerificationError,
    )
    from lading.events import (
        Authorized as Authorized,
        Event as Event,
        Exchanged as Exchanged,
        Progress as Progress,
        Redirected as Redirected,
        Retried as Retried,
        Skipped as Skipped,
        Warned as Warned,
    )
    from lading.platform import Platform as Platform
    from lading.reference import LocalReference as LocalReference, Reference as Reference, RegistryName as RegistryName

# The same names for the run time, where importing `lading` has to cost nothing: a command like `lading --version` is
# over before the modules below would be read. A test compares the two lists.
_HOMES = {
    "lading._blocking": (
        "BlobStream",
        "Blobs",
        "Client",
        "Images",
        "Indexes",
        "Manifests",
        "Referrers",
        "Registry",
        "Repository",
        "Tags",
        "Upload",
        "Uploads",
    ),
    "lading._core.artifacts.artifact": ("Artifact", "Blob", "File", "Pulled"),
    "lading._core.repository.blobs": ("AsyncBlobs",),
    "lading._core.exchange.settings": ("Budgets",),
    "lading._core.client": ("AsyncClient",),
    "lading._core.copying.plan": ("Copied", "Step"),
    "lading._core.graph.evidence": ("Evidence",),
    "lading._core.tar.decompression": ("Limits",),
    "lading._core.exchange.gate": ("Gate",),
    "lading._core.rootfs.file_changes": ("FileChange",),
    "lading._core.rootfs.export": ("Exported",),
    "lading._core.rootfs.file_listing": ("FileEntry",),
    "lading._core.images.image_diff": ("HistoryChange", "ImageDiff", "LayerChange", "ValueChange"),
    "lading._core.images.inspection_types": ("BuildStep", "IndexEntry", "Inspection"),
    "lading._core.images.index_entries": ("NewEntry",),
    "lading._core.images.image": ("Image", "Layer"),
    "lading._core.verbs.edits": ("AsyncImages",),
    "lading._core.verbs.indexes": ("AsyncIndexes",),
    "lading._core.images.packed_layer": ("PackedLayer",),
    "lading._core.repository.manifests": ("AsyncManifests",),
    "lading._core.graph.predecessors": ("ReferrerTree",),
    "lading._core.exchange.recording": ("RecordedExchange",),
    "lading._core.repository.referrers": ("AsyncReferrers",),
    "lading._core.repository.registry": ("AsyncRegistry",),
    "lading._core.repository.repository": ("AsyncRepository",),
    "lading._core.exchange.retry": ("Retries",),
    "lading._core.transfer.blob_stream": ("AsyncBlobStream",),
    "lading._core.repository.tags": ("AsyncTags",),
    "lading._core.transfer.uploads": ("AsyncUpload", "AsyncUploads", "UploadState"),
    "lading._core.graph.verify": ("Problem", "Verified"),
    "lading._io.base": ("Cancellation", "Transport"),
    "lading._wire.response_facts": ("Extension",),
    "lading._wire.messages": ("Headers", "Origin", "Reader", "Request", "Response", "Source"),
    "lading.auth.credentials": ("Chain", "Credential", "CredentialSource", "Explicit", "Found"),
    "lading.descriptor": ("Descriptor",),
    "lading.digest": ("Digest",),
    "lading.documents": (
        "DockerManifest",
        "DockerManifestList",
        "Document",
        "HelmConfig",
        "ImageConfig",
        "ImageIndex",
        "ImageManifest",
        "Manifest",
        "open_document",
        "register",
    ),
    "lading.errors": (
        "AuthError",
        "BlobUnknownError",
        "BlobUploadInvalidError",
        "BlobUploadUnknownError",
        "ConnectionFailedError",
        "CopyError",
        "CredentialHelperError",
        "DeniedError",
        "DigestInvalidError",
        "DigestMismatchError",
        "DocumentError",
        "ErrorEntry",
        "ForbiddenRedirectError",
        "InvalidDigestError",
        "InvalidMediaTypeError",
        "InvalidPlatformError",
        "InvalidReferenceError",
        "InvalidTagError",
        "LadingError",
        "LayoutError",
        "LimitExceededError",
        "ManifestBlobUnknownError",
        "ManifestInvalidError",
        "ManifestUnknownError",
        "NameInvalidError",
        "NameUnknownError",
        "NotFoundError",
        "ProtocolError",
        "RangeNotSatisfiableError",
        "RegistryError",
        "RejectedError",
        "ServerError",
        "SizeInvalidError",
        "SizeMismatchError",
        "StorageError",
        "TimedOutError",
        "TokenError",
        "TooManyRequestsError",
        "TransportError",
        "UnauthorizedError",
        "UnexpectedMediaTypeError",
        "UnsupportedError",
        "VerificationError",
    ),
    "lading.events": ("Authorized", "Event", "Exchanged", "Progress", "Redirected", "Retried", "Skipped", "Warned"),
    "lading.platform": ("Platform",),
    "lading.reference": ("LocalReference", "Reference", "RegistryName"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
# Both checkers read the block above; neither can follow this.
__all__ = ["__version__", *_HOME_OF]  # noqa: PLE0604  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lading' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
