"""Documents opened by their media type, on the way from a repository."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lading import (
    AsyncClient,
    DocumentError,
    HelmConfig,
    ImageIndex,
    ImageManifest,
    Manifest,
    UnexpectedMediaTypeError,
    open_document,
    register,
)
from lading.documents import Document, UnknownDocument, media_type_registry
from lading.media_types import HELM_CHART, HELM_CONFIG, OCI_INDEX, OCI_MANIFEST
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

NAME = "localhost:5000/acme/app"
OWN = "application/vnd.acme.recipe.v1+json"
CHART = {"name": "web", "version": "1.2.3", "apiVersion": "v2", "appVersion": "9"}


class Recipe(Document, frozen=True, kw_only=True):
    servings: int
    cooked_by: str = ""


@pytest.fixture
def registered() -> Iterator[None]:
    register(OWN, Recipe)
    yield
    del media_type_registry._KINDS[OWN]


async def test_a_chart_s_config_is_opened_by_its_media_type(client: AsyncClient) -> None:
    repository = client.repository(NAME)
    config = await repository.blobs.push(json.dumps(CHART).encode(), media_type=HELM_CONFIG)
    layer = await repository.blobs.push(b"chart", media_type=HELM_CHART)
    await repository.manifests.push(Manifest.of(ImageManifest(config=config, layers=(layer,))), "1.2.3")

    image = await repository.manifests.pull("1.2.3", ImageManifest)
    found = image.document.config
    chart = open_document(await repository.blobs.pull(found), found.media_type)
    assert isinstance(chart, HelmConfig)
    assert (chart.name, chart.version, chart.app_version) == ("web", "1.2.3", "9")


async def test_a_type_of_one_s_own_is_opened_by_its_media_type(client: AsyncClient, registered: None) -> None:
    repository = client.repository(NAME)
    raw = b'{"servings":4,"cookedBy":"anna","more":true}'
    config = await repository.blobs.push(raw, media_type=OWN)
    await repository.manifests.push(Manifest.of(ImageManifest(config=config, layers=(config,))), "soup")
    image = await repository.manifests.pull("soup", ImageManifest)
    recipe = open_document(await repository.blobs.pull(image.document.config), image.document.config.media_type)
    assert recipe == Recipe(servings=4, cooked_by="anna")


async def test_a_manifest_may_be_of_one_s_own_type(make_client: MakeClient, registered: None) -> None:
    recipe = Manifest.of(Recipe(servings=2))
    wire = Scripted(answer(200, recipe.raw, Content_Type=OWN), answer(200, recipe.raw, Content_Type=OWN))
    manifests = make_client(wire).repository(NAME).manifests
    pulled = await manifests.pull("soup", Recipe, accept=[OWN])
    assert pulled.document.servings == 2
    assert wire.requests[0].headers.get("Accept") == OWN
    with pytest.raises(UnexpectedMediaTypeError):
        await manifests.pull("soup", ImageIndex)


async def test_of_an_unknown_media_type_the_bytes_remain(make_client: MakeClient) -> None:
    raw = b'{"any":"thing"}'
    wire = Scripted(answer(200, raw, Content_Type=OWN))
    pulled = await make_client(wire).repository(NAME).manifests.pull("soup")
    assert (pulled.raw, pulled.media_type) == (raw, OWN)
    assert isinstance(pulled.document, UnknownDocument)


async def test_a_document_that_does_not_fit_its_type_says_where(make_client: MakeClient, registered: None) -> None:
    with pytest.raises(DocumentError, match=r"\$\.servings"):
        open_document(b'{"servings":"four"}', OWN)


@pytest.mark.spec("end-3.accept")
async def test_end_3_accept_may_be_narrowed(client: AsyncClient, wire: Recording) -> None:
    repository = client.repository(NAME)
    await repository.manifests.push(Manifest.of(ImageIndex(manifests=())), "v1")
    wire.requests.clear()
    await repository.manifests.resolve("v1", accept=[OCI_INDEX])
    await repository.manifests.pull("v1", accept=[OCI_INDEX, OCI_MANIFEST])
    assert [request.headers.get("Accept") for request in wire.requests] == [OCI_INDEX, f"{OCI_INDEX}, {OCI_MANIFEST}"]
