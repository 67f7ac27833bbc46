"""Tar archives: packing, strict reading and safe unpacking.

Entry points: `packing`, `unpacking` and, for image layers, `reader` over `decompression`.
"""
