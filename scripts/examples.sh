#!/usr/bin/env bash
# Makes .venv, installs the package with the `test` extra and runs each file of examples/sql and examples/vector, with
# the servers that they need, found or started as for the tests. The exit code is 1 if one failed. Its arguments are
# parts of names: `./scripts/examples.sh outbox pgvector`. PYTHON and VENV: see scripts/_venv.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_venv.sh"

server_of() { # the variable that names the server of an example
    case "$1" in
    *postgres* | *pgvector*) echo MINI_ORM_PG_HOST ;;
    *mysql*) echo MINI_ORM_MYSQL_HOST ;;
    esac
}

wanted() { # wanted FILE PART…: whether a part is in the file's name, or there are no parts
    local file="$1" part
    shift
    [ $# -gt 0 ] || return 0
    for part in "$@"; do
        [[ "$(basename "$file")" != *"$part"* ]] || return 0
    done
    return 1
}

run_all() {
    local example server failed=""
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    for example in "$ROOT"/examples/{sql,vector}/*.py; do
        wanted "$example" "$@" || continue
        echo "== ${example#"$ROOT"/}"
        server="$(server_of "$example")"
        if [ -n "$server" ] && [ -z "${!server:-}" ]; then
            echo "left out: no server; $server names one"
        else
            "$VENV/bin/python" "$example" || failed="$failed ${example#"$ROOT"/}"
        fi
    done
    [ -z "$failed" ] || die "failed:$failed"
}

if [ "${1:-}" = --on-servers ]; then
    shift
    run_all "$@"
else
    install_package test
    cd "$ROOT"
    exec "$VENV/bin/python" -m tests.servers -- "$ROOT/scripts/examples.sh" --on-servers "$@"
fi
