"""The command line: `python -m mini_orm`. Nothing else of mini_orm imports it."""
