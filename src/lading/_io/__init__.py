"""Waiting: for the network, for a disk, for time, for another task."""
