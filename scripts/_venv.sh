# shellcheck shell=bash
# Sourced by the other scripts: finds a Python, makes the virtual environment, installs the package into it.
#
# PYTHON  the interpreter to make the environment with (default: the first suitable one of the names below)
# VENV    the environment's directory (default: .venv in the repository)

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
VENV="${VENV:-$ROOT/.venv}"
case "$VENV" in
/*) ;;
*) VENV="$PWD/$VENV" ;;
esac

die() {
    printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# A name on PATH may be a launcher without a Python behind it (pyenv's shims), so each candidate is really run.
python_runs() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
python_has_venv() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }
python_has_sqlite() { "$1" -c 'import sqlite3, sys; sys.exit(sqlite3.sqlite_version_info < (3, 35))' >/dev/null 2>&1; }
python_version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# Set `python` to the interpreter to use, or say what is missing.
find_python() {
    local candidates=(python3.13 python3.12 python3.11 python3 python3.14 python) candidate no_venv="" no_sqlite=""
    if [ -n "${PYTHON:-}" ]; then
        candidates=("$PYTHON")
    fi
    for candidate in "${candidates[@]}"; do
        if ! python_runs "$candidate"; then
            continue
        elif ! python_has_venv "$candidate"; then
            no_venv="${no_venv:-$candidate}"
        elif ! python_has_sqlite "$candidate"; then
            no_sqlite="${no_sqlite:-$candidate}"
        else
            python="$candidate"
            return
        fi
    done
    if [ -n "$no_venv" ]; then
        die "$no_venv has no venv module. On Debian and Ubuntu: apt install python$(python_version "$no_venv")-venv"
    elif [ -n "$no_sqlite" ]; then
        die "$no_sqlite has no sqlite3 module with SQLite 3.35 or later: install a Python that was built with it"
    elif [ -n "${PYTHON:-}" ]; then
        die "PYTHON=$PYTHON is not a Python 3.11 or later that runs"
    fi
    die "no Python 3.11 or later found (tried: ${candidates[*]}). Install one, or set PYTHON to its path"
}

# Make the environment, unless there is one that works and has the version of PYTHON, if that is set.
make_venv() {
    local python=""
    if [ -x "$VENV/bin/python" ] && python_runs "$VENV/bin/python" && "$VENV/bin/python" -c 'import pip' 2>/dev/null; then
        if [ -z "${PYTHON:-}" ]; then
            return
        fi
        find_python
        if [ "$(python_version "$python")" = "$(python_version "$VENV/bin/python")" ]; then
            return
        fi
    fi
    if [ -e "$VENV" ] && [ ! -f "$VENV/pyvenv.cfg" ] && [ -n "$(ls -A "$VENV" 2>/dev/null || echo file)" ]; then
        die "$VENV is there and is no virtual environment: remove it, or set VENV to another path"
    fi
    find_python
    echo "making $VENV with Python $(python_version "$python")"
    "$python" -m venv --clear "$VENV" || die "could not make the virtual environment $VENV"
}

# Install mysqlclient, which has no wheel for Linux, where there is what it is built with. Its tests are skipped without.
install_mysqlclient() {
    local library
    if "$VENV/bin/python" -c 'import MySQLdb' 2>/dev/null || ! command -v cc >/dev/null; then
        return
    fi
    for library in mysqlclient libmariadb mariadb; do
        if pkg-config --exists "$library" 2>/dev/null; then
            echo "building mysqlclient"
            "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -e "${ROOT}[mysqlclient]" ||
                echo "mysqlclient can't be built, its tests are skipped: the reason is above" >&2
            return
        fi
    done
}

# install_package EXTRA [OTHER…]: install the package, editable, with EXTRA, unless that was done already for this
# pyproject.toml; an OTHER extra that was installed and contains EXTRA will do.
install_package() {
    local extra="$1" name stamp
    make_venv
    stamp="$ROOT $(cksum <"$ROOT/pyproject.toml")"
    for name in "$@"; do
        if [ "$(cat "$VENV/.installed-$name" 2>/dev/null)" = "$stamp" ]; then
            return
        fi
    done
    echo "installing mini_orm[$extra] into $VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -e "${ROOT}[$extra]" ||
        die "pip could not install mini_orm[$extra]: its message is above"
    echo "$stamp" >"$VENV/.installed-$extra"
}
