#!/usr/bin/env bash
# Makes .venv, installs the package with the `test` extra and runs the whole suite, warnings being errors.
# Arguments go to unittest: `./scripts/test.sh -v -k transaction`. PYTHON and VENV: see scripts/_venv.sh.
# The servers that tests need are those that the variables MINI_ORM_PG_… and MINI_ORM_MYSQL_… name; else they are started
# for this run, and stopped after it: see tests/README.md.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"

if [ "${MINI_ORM_TEST_DRIVERS:-}" = few ]; then
    install_package test-few test
else
    install_package test
fi
install_mysqlclient
cd "$ROOT"
exec "$VENV/bin/python" -W error -m tests.servers -- \
    "$VENV/bin/python" -W error -m unittest discover -s tests -p "test_*.py" "$@"
