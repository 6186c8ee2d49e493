#!/usr/bin/env bash
# Builds the sdist, and the wheel from it, into dist/ (or the directory given), and checks both.
# Needs what requirements-build.txt names, in the `python3` on PATH or in $PYTHON.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python="${PYTHON:-python3}"
out="${1:-dist}"
if ! "$python" -c 'import build, twine' 2>/dev/null; then
    echo "build_lib.sh: error: $python lacks build or twine: $python -m pip install -r requirements-build.txt" >&2
    exit 1
fi

mkdir -p "$out"
rm -f "$out"/mini_orm-*.whl "$out"/mini_orm-*.tar.gz
"$python" -m build --outdir "$out" .
"$python" -m twine check --strict "$out"/mini_orm-*
