"""The root file system of an image: its layers applied, listed, compared and exported.

Entry points: `rootfs` reads a whole image; `file_listing`, `file_changes`, `export` and `flatten` work on it.
"""
