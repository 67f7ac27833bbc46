"""The flows, each written once: `async def` over an `IO`, run by a loop or stepped without one.

The rooms, top down; each imports from those below it only, which a contract in pyproject.toml checks:

    client            the client: registries and repositories by name
    verbs             its operations on whole references
    rootfs            the root file system of an image
    images, artifacts container images; files pushed and pulled as one manifest
    copying           copies from one target to another
    graph, targets    successors and predecessors of manifests; sources and destinations of copies
    repository        the endpoints of the specification as typed methods
    transfer          one blob, pulled or pushed
    tar, exchange     tar archives; one HTTP request, with authorization, redirects and retries

Planned rooms and their levels: `mirroring` next to `images` and `artifacts`, `random_access` (parts of a layer) below
these, `guard` (which asks `lading.trust`) below `copying`. In `lading`: `explore/` and `fsspec.py` above the blocking
face, `progress.py` below it, `trust/` (pure) between `_io` and `_wire`; and `_io/system/`.
"""
