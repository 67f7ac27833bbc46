"""Copy targets by reference: registries, layouts, archives and users' own behind one interface.

Entrance: `resolver`, which opens the target that a reference names. A module for each kind: `registry_target`,
`layout_target`, the archives `layout_archive` and `docker_archive`, `custom_target` for users' own and `memory_target`.
"""
