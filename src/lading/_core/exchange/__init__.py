"""HTTP exchanges with one registry: authorization, redirects, retries and limits.

Entrances: `remote_repository`, whose requests the rooms above send; `exchange`, which makes one request succeed; and
`settings`, which says how. Below these, `sender` sends a request and follows its redirects, `retry` says whether it is
sent again and `hosts` when, and `turns` keeps transfers of the same content apart.
"""
