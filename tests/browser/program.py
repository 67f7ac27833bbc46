"""What is done with lading in a page: everything here runs on Pyodide."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

from lading import Artifact, AsyncClient, Client, ImageManifest, LadingError


async def main(registry: str, closed: str) -> str:
    """Use a registry, and a place where none is, and say what came of it."""
    home = Path("/home/test")
    home.mkdir(parents=True, exist_ok=True)
    os.chdir(home)
    content = os.urandom(3 << 20)
    Path("large").write_bytes(content)
    Path("small.txt").write_text("cargo", encoding="utf-8")
    name = f"{registry}/acme/app"
    done: dict[str, Any] = {}
    async with AsyncClient(timeout=30) as client:
        pushed = await client.push(f"{name}:1", Artifact.pack("application/vnd.acme", ["large", "small.txt"]))
        repository = client.repository(name)
        done["tags"] = [tag async for tag in repository.tags.list(n=1)]
        done["digest"] = (await repository.manifests.resolve("1")).digest == pushed.digest
        await client.pull(f"{name}:1", "pulled")
        done["same"] = Path("pulled/large").read_bytes() == content
        manifest = await repository.manifests.pull("1", ImageManifest)
        large = manifest.document.layers[0]
        async with repository.blobs.open(large, offset=1 << 20, length=100) as stream:
            done["part"] = await stream.read() == content[1 << 20 :][:100]
        copied = await client.copy(f"{name}:1", f"{registry}/acme/copy:1")
        done["mounted"] = copied.mounted
        await client.copy(f"{name}:1", "oci:layout:1")
        done["problems"] = len((await client.verify("oci:layout:1")).problems)
        streamed = await repository.blobs.push_stream(io.BytesIO(content[::-1]))
        done["streamed"] = await repository.blobs.pull(streamed) == content[::-1]
        await client.copy("oci:layout:1", "oci-archive:archive.tar:1")
        done["archived"] = (await client.copy("oci-archive:archive.tar:1", f"{registry}/acme/back:1")).moved
        done["kind"] = (await client.inspect(f"{name}:1")).kind
        upload = await repository.uploads.start()
        await upload.patch(b"first ")
        done["chunks"] = (await upload.status()) == 6
        await upload.cancel()
        done["unknown"] = await failure(repository.manifests.pull("absent"))
        done["closed"] = await failure(client.repository(f"{closed}/acme/app").manifests.pull("1"))
    with Client() as blocking:
        try:
            blocking.repository(name).manifests.pull("1")
        except LadingError as error:
            done["blocking"] = type(error).__name__
    return json.dumps(done)


async def failure(operation: Any) -> str:
    """Return the name of the error that an operation ends with."""
    try:
        await operation
    except LadingError as error:
        return type(error).__name__
    return ""
