"""Places on disk that hold content: the OCI image layout."""
