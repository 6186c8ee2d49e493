#!/usr/bin/env bash
# Makes .venv, installs the package with the `demo` extra and runs examples/quickstart.py with the arguments given.
# Works from any directory; the database file is made in the current one. PYTHON and VENV: see scripts/_venv.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"

install_package demo test
exec "$VENV/bin/python" "$ROOT/examples/quickstart.py" "$@"
