"""One mixin per subject; the `tests/test_*.py` of the same subject binds each to every backend."""
