"""Copy targets by reference: registries, layouts, archives and memory behind one interface.

Entrance: `resolver`, which opens the target that a reference names.
"""
