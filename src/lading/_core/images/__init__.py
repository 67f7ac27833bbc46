"""Images without a daemon: reading, inspecting, comparing and editing their manifests and configs.

Entry point: `image`, which all other modules here read or make.
"""
