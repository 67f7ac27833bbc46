"""Registries that are run for everybody, each as a configuration of the embedded one.

A comment names where a quirk was reported: `project#number` is an issue on GitHub. Sizes are the real ones.
"""

from __future__ import annotations

import re
from typing import Any

from lading.testing import (
    Change,
    ClaimSubject,
    Drop,
    EditDocument,
    EditField,
    FinalTags,
    FrozenRange,
    Instead,
    LeastChunk,
    LimitContent,
    OpaquePages,
    OrElse,
    Redirect,
    Refuse,
    RefuseManifests,
    RefusePages,
    Rights,
    Say,
    ServerLimits,
    TokenRules,
    WantLength,
    WholeList,
)
from tests.quirks.traits import BLOBS, CHUNKS, FINISHES, GUID, MANIFESTS, MIB, REFERRERS, SIGNED, TAGS, setup
from tests.quirks.worlds import AUTH, PASSWORD, REALM, STORE, Profile


def public_hub() -> Profile:
    """Docker Hub."""
    missing = f'Bearer realm="{REALM}",service="hub",scope="repository:acme/app:pull",error="insufficient_scope"'
    return Profile(
        setup=setup(
            ServerLimits(catalog=False, referrers=False, deletes=False),
            anonymous=Rights(pull=("*",)),
            realm=REALM,
            rules=TokenRules(service="hub"),
        ),
        quirks=(
            # The subject is confirmed without an API for it (hub-feedback#2307, oras#666).
            (ClaimSubject(), f"PUT {MANIFESTS}"),
            # A repository that does not exist is one that the user may not see (containers/image errors_test.go).
            (
                Instead(404, Refuse("UNAUTHORIZED", "authentication required", headers={"WWW-Authenticate": missing})),
                "GET /v2/acme/missing/*",
            ),
            # containers/image errors_test.go.
            (
                Change(
                    add={
                        "RateLimit-Limit": "100;w=21600",
                        "RateLimit-Remaining": "76;w=21600",
                        "Docker-RateLimit-Source": "192.0.2.1",
                    }
                ),
                f"* {MANIFESTS}",
            ),
            # buildbuddy#9067.
            (Change(drop=("Docker-Content-Digest",)), "HEAD /v2/*/blobs/sha256:*"),
            (SIGNED, BLOBS),
        ),
        catalog=False,
        deletes_tags=False,
        deletes_manifests=False,
    )


def github() -> Profile:
    """GHCR."""
    return Profile(
        setup=setup(ServerLimits(page_items=100, catalog=False, referrers=False, deletes=False)),
        quirks=(
            # wash#268, rust-oci-client#37, tart#159.
            (
                LimitContent(
                    4 * MIB, Say.text(416, "request body is too large, content length should be less than 4.00MiB")
                ),
                CHUNKS,
            ),
            # artifacthub/hub#4785: a page of the web site, which limits rates.
            (Redirect(STORE + "/-/v2/packages", 303), REFERRERS),
            (SIGNED, BLOBS),
        ),
        catalog=False,
        deletes_tags=False,
        deletes_manifests=False,
    )


def amazon() -> Profile:
    """Amazon ECR, private."""
    return Profile(
        setup=setup(ServerLimits(), user="AWS", scheme="basic"),
        quirks=(
            # regclient blob.go, mise#11376, kitops#821, tart#273.
            (Change(status=201, only=202), CHUNKS),
            # containers-roadmap#2831.
            (FrozenRange(), CHUNKS),
            # dotnet/sdk-container-builds#424, #279.
            (LeastChunk(5 * MIB, Refuse("BLOB_UPLOAD_INVALID", "LayerPartTooSmallException")), CHUNKS),
            # go-containerregistry#1091.
            (RefusePages(1000, Refuse("UNSUPPORTED", "Invalid parameter maxResults", status=405)), TAGS),
            # A push to a repository that nobody made before.
            (Drop(), "POST /v2/acme/missing/blobs/uploads/"),
            # OPA#6728: the store refuses Authorization.
            (SIGNED, BLOBS),
            # aws-sdk#750: immutable tags.
            (
                FinalTags(Refuse("TAG_INVALID", "The image tag already exists and cannot be overwritten", status=400)),
                "PUT /v2/acme/final/manifests/*",
            ),
            # tart#890.
            (
                RefuseManifests(
                    lambda document: len(document.get("layers", ())) > 127, Refuse("UNSUPPORTED", "too many layers")
                ),
                f"PUT {MANIFESTS}",
            ),
            # containers/image docker_image_dest.go.
            (
                RefuseManifests(
                    lambda document: "mediaType" not in document, Refuse("UNSUPPORTED", "Invalid JSON syntax")
                ),
                f"PUT {MANIFESTS}",
            ),
        ),
        credential=("AWS", PASSWORD),
    )


def amazon_2024() -> Profile:
    """Amazon ECR as it was: it confirms a subject, but has no referrers API (sigstore-js#1183)."""
    return Profile(
        setup=setup(ServerLimits(referrers=False), user="AWS", scheme="basic"),
        quirks=((ClaimSubject(), f"PUT {MANIFESTS}"),),
        credential=("AWS", PASSWORD),
    )


def amazon_public() -> Profile:
    """Amazon ECR Public."""
    return Profile(
        setup=setup(ServerLimits(catalog=False), user="AWS", anonymous=Rights(pull=("*",))),
        credential=("AWS", PASSWORD),
        catalog=False,
    )


def google() -> Profile:
    """Google Artifact Registry."""

    def with_details(document: dict[str, Any]) -> dict[str, Any]:
        details = {f"sha256:{number:064x}": {"tag": [f"t{number}"], "timeUploadedMs": "1"} for number in range(2000)}
        return {**document, "child": [], "manifest": details}

    return Profile(
        setup=setup(ServerLimits(mounts=True), user="_json_key"),
        quirks=(
            # dotnet/sdk-container-builds#287, kitops#777, #780, skopeo#1101.
            (Refuse("UNSUPPORTED", "chunked uploads are not supported", status=405), CHUNKS),
            # One page of many MiB with fields of its own.
            (WholeList(), TAGS),
            (EditDocument(with_details), TAGS),
            # oras#1626.
            (EditField("Content-Length", lambda length: str(int(length) + 7)), f"HEAD {MANIFESTS}"),
        ),
        credential=("_json_key", PASSWORD),
    )


def azure() -> Profile:
    """Azure Container Registry: an identity token, exchanged at the registry's own token server."""
    return Profile(
        setup=setup(
            user=GUID,
            rules=TokenRules(path="/oauth2/token", service="registry.example.com", methods=frozenset({"POST"})),
        ),
        quirks=(
            # harbor#23015.
            (LimitContent(20_000_000, Say.text(413, "Request Entity Too Large")), FINISHES),
            (WantLength(Refuse("CONTENT_LENGTH_INVALID", "content length is required", status=400)), FINISHES),
            (WantLength(Refuse("CONTENT_LENGTH_INVALID", "content length is required", status=400)), CHUNKS),
            (SIGNED, BLOBS),
        ),
        credential=(GUID, PASSWORD),
    )


def quay() -> Profile:
    """Quay."""
    return Profile(
        # The token server takes the action "delete" for a mistake; the challenge says "*" (containers/image).
        setup=setup(ServerLimits(page_items=50), user="org+robot", rules=TokenRules(refuses=frozenset({"delete"}))),
        quirks=(
            # docker_registry2#56, regclient#274.
            (OpaquePages(50), TAGS),
            # go-containerregistry write.go.
            (Refuse("BLOB_UPLOAD_INVALID", "a mount needs from"), "POST /v2/*/blobs/uploads/?mount=sha256:" + 64 * "?"),
        ),
        credential=("org+robot", PASSWORD),
    )


def gitlab() -> Profile:
    """GitLab."""
    return Profile(
        setup=setup(
            ServerLimits(page_items=100, catalog=False, referrers=False),
            realm=f"{AUTH}/jwt/auth",
            rules=TokenRules(path="/jwt/auth", service="container_registry"),
        ),
        quirks=(
            # oras-go#1396: the referrers tag stands for the subject itself.
            (
                OrElse(lambda target: re.sub(r"/manifests/sha256-([0-9a-f]{64})$", r"/manifests/sha256:\1", target)),
                "GET /v2/*/manifests/sha256-*",
            ),
            # werf#2603, #7866.
            (
                Instead(404, Refuse("NOT_FOUND", "the requested resource is not here", status=404)),
                "GET /v2/acme/missing/*",
            ),
        ),
        catalog=False,
    )


def digitalocean() -> Profile:
    """DigitalOcean: a token of its API as password."""
    return Profile(
        setup=setup(ServerLimits(catalog=False), user="token"), credential=("token", PASSWORD), catalog=False
    )


SERVICES = (public_hub, github, amazon, amazon_2024, amazon_public, google, azure, quay, gitlab, digitalocean)
