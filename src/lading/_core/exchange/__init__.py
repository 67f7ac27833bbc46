"""HTTP exchanges with one registry: authorization, redirects, retries and limits.

Entrance: `exchange`, which makes one request succeed; `settings` says how.
"""
