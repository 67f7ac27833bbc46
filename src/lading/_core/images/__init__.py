"""Images as they stand in a place: read, looked into and edited without a daemon, layers only where they are needed."""
