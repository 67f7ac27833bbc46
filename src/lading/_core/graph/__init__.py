"""The graph of manifests: what they name, what refers to them, and whether all of it is there.

Entrances: `graph` downwards, `predecessors` upwards; `verify` and `evidence` walk them.
"""
