"""Copy targets by reference: registries, layouts, archives and user-defined targets behind one interface.

Entry point: `resolver`, which opens the target that a reference names. One module for each kind: `registry_target`,
`layout_target`, the archives `layout_archive` and `docker_archive`, `custom_target` for user-defined targets and
`memory_target`.
"""
