"""One mixin per subject; `tests/test_contracts.py` binds each of them to every backend."""
