"""Copies of manifests, with all that they name, from one target to another.

Entrance: `references` for whole references; `copy` is the copy between two targets, `plan` its options and outcome.
"""
