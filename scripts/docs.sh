#!/usr/bin/env bash
# Makes .venv, installs what requirements-docs.txt names, and serves the documentation site; arguments go to mkdocs:
# `./scripts/docs.sh build --strict`. PYTHON and VENV: see scripts/_venv.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"

cd "$ROOT"
make_venv
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt ||
    die "pip could not install what requirements-docs.txt names: its message is above"
[ $# -gt 0 ] || set -- serve
# Material for MkDocs would tell at each start that it has a successor.
export NO_MKDOCS_2_WARNING=1
exec "$VENV/bin/python" -m mkdocs "$@"
