#!/usr/bin/env bash
# Everything that a change has to pass: format, lint, types, the table of rules, the suite.
# `./scripts/check.sh --static` leaves the suite out. PYTHON and VENV: see scripts/_venv.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"

case "${1:-}" in
"" | --static) ;;
*) die "unknown argument $1 (there is only --static)" ;;
esac

install_package test
cd "$ROOT"
run() {
    echo "+ $*"
    "$VENV/bin/python" "$@"
}
run -m ruff format --check .
run -m ruff check .
run -m mypy --strict mini_orm
run -m mypy examples
run -m mypy benchmarks
run scripts/rules_table.py --check
if [ "${1:-}" != --static ]; then
    echo "+ scripts/test.sh"
    scripts/test.sh
fi
