"""Artifacts: files and other content pushed and pulled as one manifest.

Entrance: `push_pull`; `artifact` has the values.
"""
