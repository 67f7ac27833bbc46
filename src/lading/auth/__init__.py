"""Credentials and tokens: where they are kept, to whom they belong, and how one is had for the other."""
