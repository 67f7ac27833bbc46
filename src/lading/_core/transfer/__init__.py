"""Blob transfer: verified, resumable pulls and pushes.

Entrances: `pull` and `push`; `uploads` and `blob_stream` have the public classes of the steps; `async_target` is the
interface of what copies read and write.
"""
