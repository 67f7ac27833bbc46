"""Artifacts: files and other content pushed and pulled as one manifest.

Entry point: `push_pull`; `artifact` has the values.
"""
