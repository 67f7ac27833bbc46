"""Copy targets by reference: registries and archives behind the one interface of `lading.target`.

Entrance: `resolver`, which opens the target that a reference names.
"""
