"""A small, strict registry over a directory of image layouts."""
