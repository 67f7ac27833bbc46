"""What real registries are like, each as a configuration of the embedded one.

A comment names where a quirk was reported: `project#number` is an issue on GitHub. Sizes are the real ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lading.testing import (
    EVERYTHING,
    Access,
    Change,
    ChangingLocation,
    ClaimSubject,
    Drop,
    EditDocument,
    EditField,
    EditTarget,
    FinalTags,
    FrozenRange,
    Instead,
    LeastChunk,
    LimitContent,
    LoseAnswer,
    OneChunk,
    OpaquePages,
    OrElse,
    Policy,
    Redirect,
    Refuse,
    RefuseField,
    RefuseManifests,
    RefusePages,
    Rights,
    Say,
    Setup,
    TokenRules,
    User,
    WantEmptyFinish,
    WantKnownLast,
    WantLength,
    WholeList,
)
from tests.quirks.worlds import AUTH, PASSWORD, REALM, STORE, Profile

MIB = 1 << 20
GUID = "00000000-0000-0000-0000-000000000000"
BLOBS = "GET /v2/*/blobs/sha256:*"
CHUNKS = "PATCH /v2/*/blobs/uploads/*"
FINISHES = "PUT /v2/*/blobs/uploads/*"
MANIFESTS = "/v2/*/manifests/*"
REFERRERS = "GET /v2/*/referrers/*"
STARTS = "POST /v2/*/blobs/uploads/"
TAGS = "GET /v2/*/tags/list"

SIGNED = Redirect(STORE, query=(("X-Amz-Signature", "a+b/c="), ("X-Amz-Expires", "60")))


def setup(
    policy: Policy | None = None,
    *,
    user: str = "ann",
    anonymous: Rights | None = None,
    **options: Any,
) -> Setup:
    access = Access(users=(User(user, PASSWORD, EVERYTHING),), anonymous=anonymous or Rights())
    return Setup(policy=policy or Policy(), access=access, **options)


def public_hub() -> Profile:
    """Docker Hub."""
    missing = f'Bearer realm="{REALM}",service="hub",scope="repository:acme/app:pull",error="insufficient_scope"'
    return Profile(
        setup=setup(
            Policy(catalog=False, referrers=False, deletes=False),
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
        setup=setup(Policy(page_items=100, catalog=False, referrers=False, deletes=False)),
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
        setup=setup(Policy(), user="AWS", scheme="basic"),
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
        setup=setup(Policy(referrers=False), user="AWS", scheme="basic"),
        quirks=((ClaimSubject(), f"PUT {MANIFESTS}"),),
        credential=("AWS", PASSWORD),
    )


def amazon_public() -> Profile:
    """Amazon ECR Public."""
    return Profile(
        setup=setup(Policy(catalog=False), user="AWS", anonymous=Rights(pull=("*",))),
        credential=("AWS", PASSWORD),
        catalog=False,
    )


def google() -> Profile:
    """Google Artifact Registry."""

    def with_details(document: dict[str, Any]) -> dict[str, Any]:
        details = {f"sha256:{number:064x}": {"tag": [f"t{number}"], "timeUploadedMs": "1"} for number in range(2000)}
        return {**document, "child": [], "manifest": details}

    return Profile(
        setup=setup(Policy(mounts=True), user="_json_key"),
        quirks=(
            # dotnet/sdk-container-builds#287, kitops#777, #780, skopeo#1101.
            (Refuse("UNSUPPORTED", "chunked uploads are not supported", status=405), CHUNKS),
            # One page of many MiB with fields of its own.
            (WholeList(), TAGS),
            (EditDocument(with_details), TAGS),
            # oras#1626.
            (EditField("Content-Length", lambda length: str(int(length) + 7)), f"HEAD {MANIFESTS}"),
            # A mirror of it names digests that are not true (go-containerregistry#56).
            (Change(add={"Docker-Content-Digest": "sha256:" + "0" * 64}), f"GET {MANIFESTS}"),
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
        setup=setup(Policy(page_items=50), user="org+robot", rules=TokenRules(refuses=frozenset({"delete"}))),
        quirks=(
            # docker_registry2#56, regclient#274.
            (OpaquePages(50), TAGS),
            # go-containerregistry write.go.
            (Refuse("BLOB_UPLOAD_INVALID", "a mount needs from"), "POST /v2/*/blobs/uploads/?mount=sha256:" + 64 * "?"),
        ),
        credential=("org+robot", PASSWORD),
    )


def harbor() -> Profile:
    """Harbor 2.8 and later."""
    return Profile(
        setup=setup(
            user="robot$ci",
            # containerd#4983: POST is forbidden rather than unknown.
            rules=TokenRules(path="/service/token", methods=frozenset({"GET"}), refusal=403),
        ),
        quirks=(
            # harbor#14404, dotnet/sdk#37221: a session, which then needs its CSRF token.
            (RefuseField("Cookie", Say.text(403, "CSRF token not found in request")), "* *"),
            (Change(add={"Set-Cookie": "sid=0123456789abcdef; Path=/; HttpOnly"}), "* *"),
            # oras-go#1176.
            (Change(drop=("Content-Length",)), f"HEAD {MANIFESTS}"),
            # containers/image errors_test.go.
            (Instead(404, Refuse("NOT_FOUND", "artifact not found", status=404)), "GET /v2/acme/missing/*"),
        ),
        credential=("robot$ci", PASSWORD),
    )


def harbor_2_7() -> Profile:
    """Harbor up to 2.7: the referrers API, which it does not have, is forbidden without a challenge (harbor#18305)."""
    return Profile(
        setup=setup(Policy(referrers=False)),
        quirks=((Say(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized"}]}'), REFERRERS),),
        referrers=False,
    )


def gitlab() -> Profile:
    """GitLab."""
    return Profile(
        setup=setup(
            Policy(page_items=100, catalog=False, referrers=False),
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


def artifactory() -> Profile:
    """Artifactory."""

    def with_digests(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "tags": [*document["tags"], "sha256:" + "0" * 64]}

    return Profile(
        setup=setup(Policy(page_items=100), scheme="basic"),
        quirks=(
            # vic#6590, containerd#3556.
            (Change(drop=("WWW-Authenticate",)), "HEAD *"),
            # docker_registry2#83.
            (Change(drop=("Docker-Content-Digest",), add={"Content-Type": "text/plain"}), f"HEAD {MANIFESTS}"),
            # skopeo#2346.
            (EditDocument(with_digests), TAGS),
            # renovate#15080, #15030: the path of the registry behind.
            (EditField("Link", lambda link: link.replace("/v2/", "/artifactory/api/docker/v2/")), TAGS),
            (EditTarget(lambda target: target.replace("/artifactory/api/docker/v2/", "/v2/")), "GET /artifactory/*"),
        ),
    )


def artifactory_old() -> Profile:
    """Artifactory that takes content by PATCH only (containerd#3533)."""
    refusal = Refuse("BLOB_UPLOAD_INVALID", "send the content by PATCH")
    return Profile(setup=setup(scheme="basic"), quirks=((WantEmptyFinish(refusal), FINISHES),))


def nexus() -> Profile:
    """Nexus."""

    def with_nothing(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "tags": [*document["tags"], ""] if document["tags"] else None}

    # skopeo#2409.
    return Profile(setup=setup(scheme="basic"), quirks=((EditDocument(with_nothing), TAGS),))


def gitea() -> Profile:
    """Gitea and Forgejo."""
    return Profile(
        setup=setup(rules=TokenRules(path="/v2/token"), realm=None),
        quirks=(
            # dotnet/sdk-container-builds#471.
            (OneChunk(Refuse("BLOB_UPLOAD_INVALID", "Stream uploads after first write are not allowed")), CHUNKS),
        ),
    )


def cloudflare_limited() -> Profile:
    """Cloudflare's serverless registry, behind a proxy that limits content to 100 MB (serverless-registry#67, #47)."""
    page = Say.page(413, "413 Payload Too Large")
    return Profile(
        setup=setup(scheme="basic"),
        quirks=(
            (LimitContent(6_000_000, page), FINISHES),
            (LimitContent(6_000_000, page), CHUNKS),
            (Change(add={"OCI-Chunk-Max-Length": "5000000", "OCI-Chunk-Min-Length": "5000000"}), STARTS),
        ),
    )


def cloudflare() -> Profile:
    """Cloudflare's serverless registry, which says what chunks it wants (serverless-registry#47, #69)."""
    sizes = {"OCI-Chunk-Max-Length": "5000000", "OCI-Chunk-Min-Length": "5000000"}
    return Profile(setup=setup(scheme="basic"), quirks=((Change(add=sizes), STARTS),))


def distribution_2() -> Profile:
    """CNCF Distribution 2.8."""
    return Profile(
        setup=setup(Policy(referrers=False), scheme="basic"),
        quirks=(
            (ChangingLocation(), "* /v2/*/blobs/uploads/*"),
            (WholeList(), TAGS),
            (RefusePages(1000, Refuse("PAGINATION_NUMBER_INVALID")), "GET /v2/_catalog"),
            (Refuse("DIGEST_INVALID", "invalid digest format"), "DELETE /v2/*/manifests/t*"),
        ),
        deletes_tags=False,
    )


def distribution_3() -> Profile:
    """CNCF Distribution 3."""
    return Profile(
        setup=setup(Policy(referrers=False, page_items=1000)),
        quirks=(
            (ChangingLocation(), "* /v2/*/blobs/uploads/*"),
            (RefusePages(1000, Refuse("PAGINATION_NUMBER_INVALID")), "GET /v2/_catalog"),
            (SIGNED, BLOBS),
        ),
    )


def distribution_without_deletes() -> Profile:
    """CNCF Distribution as it comes: nothing is deleted."""
    return Profile(
        setup=setup(Policy(referrers=False, deletes=False), scheme="basic"), deletes_tags=False, deletes_manifests=False
    )


def zot() -> Profile:
    """zot."""
    return Profile(
        setup=setup(scheme="basic"),
        quirks=(
            # zot/pkg/api/routes.go.
            (WantKnownLast(Refuse("NAME_UNKNOWN", "unknown last", status=404)), TAGS),
        ),
    )


def digitalocean() -> Profile:
    """DigitalOcean: a token of its API as password."""
    return Profile(setup=setup(Policy(catalog=False), user="token"), credential=("token", PASSWORD), catalog=False)


def stripping_proxy() -> Profile:
    """A proxy that takes fields away (distribution#3848), and names of fields in lower case."""
    fields = ("Docker-Content-Digest", "ETag", "Accept-Ranges", "Docker-Distribution-API-Version", "OCI-Subject")
    return Profile(setup=setup(scheme="basic"), quirks=((Change(drop=fields), "* *"),))


def escaping_server() -> Profile:
    """A server that escapes the colon of digests in its locations."""
    escape = EditField("Location", lambda location: location.replace(":", "%3A"))
    return Profile(setup=setup(scheme="basic"), quirks=((escape, "* /v2/*"),))


def flaky_finish() -> Profile:
    """Gitea 1.24.1 and others whose answer to the last byte is lost (gitea#34792, tart#159)."""
    return Profile(setup=setup(scheme="basic"), quirks=((LoseAnswer(), FINISHES),))


PROFILES: dict[str, Callable[[], Profile]] = {
    profile.__name__: profile
    for profile in (
        public_hub,
        github,
        amazon,
        amazon_2024,
        amazon_public,
        google,
        azure,
        quay,
        harbor,
        harbor_2_7,
        gitlab,
        artifactory,
        artifactory_old,
        nexus,
        gitea,
        cloudflare,
        cloudflare_limited,
        distribution_2,
        distribution_3,
        distribution_without_deletes,
        zot,
        digitalocean,
        stripping_proxy,
        escaping_server,
        flaky_finish,
    )
}
