"""What mini_orm costs beside hand-written code; `python -m benchmarks.sql --help`, and README.md beside this file."""
