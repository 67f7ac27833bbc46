"""Registries and repositories: the endpoints of the specification as typed methods.

Entry points: `registry` and `repository`.
"""
