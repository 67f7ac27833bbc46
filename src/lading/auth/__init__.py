"""Credentials and tokens: storage, lookup, and the exchange of credentials for tokens."""
