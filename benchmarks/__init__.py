"""Programs that measure; nothing here is a test. Run them from the checkout, as `python -m benchmarks.NAME`."""
