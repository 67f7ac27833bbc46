"""The protocol as pure functions: no module below here waits, reads a clock or touches a file."""
