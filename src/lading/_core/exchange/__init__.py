"""HTTP exchanges with one registry: authorization, redirects, retries and limits.

Entry points: `remote_repository`, whose requests the packages above send; `exchange`, which makes one request succeed;
and `settings`, which configures it. Below these, `sender` sends a request and follows its redirects, `retry` decides
whether it is sent again and `hosts` when, and `turns` serializes transfers of the same content.
"""
