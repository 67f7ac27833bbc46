"""Blob transfer: verified, resumable pulls and pushes.

Entry points: `pull` and `push`; `uploads` and `blob_stream` have the public classes of single steps. A push starts from
a stored blob (`stored_blob`), a pull ends in a sink (`sinks`), and a copy is one or the other. `async_target` is the
interface of copy sources and destinations, and `sides` records on which of the two an error occurred.
"""
