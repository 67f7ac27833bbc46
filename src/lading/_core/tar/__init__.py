"""Tar archives: packing, strict reading and safe unpacking.

Entrances: `packing`, `unpacking` and, for image layers, `reader` over `decompression`.
"""
