"""The flows, each written once: `async def` over an `IO`, run by a loop or stepped without one.

The rooms, top down; each imports from those below it only, which a contract in pyproject.toml checks:

    client            the client: registries and repositories by name
    verbs             its operations on whole references
    rootfs            the file system of an image
    images, artifacts container images; files pushed and pulled as one manifest
    copying           copies from one target to another
    graph, targets    what manifests name and what refers to them; where content can be copied from and to
    repository        the endpoints of the specification as typed methods
    transfer          one blob, pulled or pushed
    tar, exchange     tar archives; one HTTP request made to succeed

Places are kept for rooms to come. Here: `mirroring` beside `images` and `artifacts`, `random_access` (parts of a layer)
below these, `guard` (which asks `lading.trust`) below `copying`. In `lading`: `explore/` and `fsspec.py` above the
blocking face, `progress.py` below it, `trust/` (pure) between `_io` and `_wire`; and `_io/system/`.
"""
