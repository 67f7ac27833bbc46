"""The graph of manifests: successors, predecessors, and verification that all content is present.

Entry points: `graph` for successors, `predecessors` for referrers; `verify` and `evidence` walk them.
"""
