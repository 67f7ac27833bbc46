"""Registries and repositories: the endpoints of the specification as typed methods.

Entrances: `registry` and `repository`.
"""
