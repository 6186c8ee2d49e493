#!/usr/bin/env bash
# Makes .venv, installs the package with the `test` extra and measures each operation beside hand-written code.
# Arguments go to the benchmark: `./scripts/bench.sh --db postgres`, `--quick`. PYTHON and VENV: see scripts/_venv.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"

install_package test
cd "$ROOT"
exec "$VENV/bin/python" -m benchmarks.sql "$@"
