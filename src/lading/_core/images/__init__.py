"""Images without a daemon: reading, inspecting, comparing and editing their manifests and configs.

Entrance: `image`, which everything else here reads or makes.
"""
