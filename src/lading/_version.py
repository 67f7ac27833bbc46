"""Version number, in a module of its own so that `lading --version` imports nothing else."""

__version__ = "0.1.0.dev0"
