"""Blob transfer: verified, resumable pulls and pushes.

Entrances: `pull` and `push`; `uploads` and `blob_stream` have the public classes of the steps. A push begins with a
blob where it is stored (`stored_blob`), a pull ends in a sink (`sinks`), and a copy is one or the other. `async_target`
is the interface of what copies read and write, and `sides` says on which of both something failed.
"""
