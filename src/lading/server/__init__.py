"""Embedded registry: a small, strict OCI registry over a directory of image layouts."""
