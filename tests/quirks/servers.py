"""Registries that one runs oneself, and what stands in front of them, each as a configuration of the embedded one.

A comment names where a quirk was reported: `project#number` is an issue on GitHub. Sizes are the real ones.
"""

from __future__ import annotations

from typing import Any

from lading.testing import (
    Change,
    ChangingLocation,
    EditDocument,
    EditField,
    EditTarget,
    Instead,
    LimitContent,
    LoseAnswer,
    OneChunk,
    Refuse,
    RefuseField,
    RefusePages,
    Say,
    ServerLimits,
    TokenRules,
    WantEmptyFinish,
    WantKnownLast,
    WholeList,
)
from tests.quirks.traits import BLOBS, CHUNKS, FINISHES, MANIFESTS, REFERRERS, SIGNED, STARTS, TAGS, setup
from tests.quirks.worlds import PASSWORD, Profile


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
        setup=setup(ServerLimits(referrers=False)),
        quirks=((Say(401, b'{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized"}]}'), REFERRERS),),
        referrers=False,
    )


def artifactory() -> Profile:
    """Artifactory."""

    def with_digests(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, "tags": [*document["tags"], "sha256:" + "0" * 64]}

    return Profile(
        setup=setup(ServerLimits(page_items=100), scheme="basic"),
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


def cloudflare() -> Profile:
    """Cloudflare's serverless registry, which says what chunks it wants (serverless-registry#47, #69)."""
    sizes = {"OCI-Chunk-Max-Length": "5000000", "OCI-Chunk-Min-Length": "5000000"}
    return Profile(setup=setup(scheme="basic"), quirks=((Change(add=sizes), STARTS),))


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


def distribution_2() -> Profile:
    """CNCF Distribution 2.8."""
    return Profile(
        setup=setup(ServerLimits(referrers=False), scheme="basic"),
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
        setup=setup(ServerLimits(referrers=False, page_items=1000)),
        quirks=(
            (ChangingLocation(), "* /v2/*/blobs/uploads/*"),
            (RefusePages(1000, Refuse("PAGINATION_NUMBER_INVALID")), "GET /v2/_catalog"),
            (SIGNED, BLOBS),
        ),
    )


def distribution_without_deletes() -> Profile:
    """CNCF Distribution as it comes: nothing is deleted."""
    return Profile(
        setup=setup(ServerLimits(referrers=False, deletes=False), scheme="basic"),
        deletes_tags=False,
        deletes_manifests=False,
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


SERVERS = (
    harbor,
    harbor_2_7,
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
    stripping_proxy,
    escaping_server,
    flaky_finish,
)
