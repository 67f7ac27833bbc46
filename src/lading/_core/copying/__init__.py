"""Copies of manifests, with everything that they name, from one target to another.

Entry point: `references` for whole references; `copy` copies between two targets, `plan` has its options and result.
"""
