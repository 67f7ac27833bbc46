"""Storage of content on disk: the OCI image layout."""
