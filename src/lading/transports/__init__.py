"""How a request reaches a server and its answer comes back: one exchange, blocking, behind `_io.base.Transport`."""
