"""Transports: one blocking HTTP exchange at a time, behind the interface `_io.base.Transport`."""
