#!/usr/bin/env bash
# `./scripts/compose.sh up [SERVICE…]` starts the servers of docker-compose.yml and waits until they answer,
# `./scripts/compose.sh down` stops them and throws away what they hold.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! docker compose version >/dev/null 2>&1; then
    echo "compose.sh: error: there is no \`docker compose\`: install Docker with its Compose plugin" >&2
    exit 1
fi
case "${1:-}" in
up) exec docker compose up --detach --wait "${@:2}" ;;
down) exec docker compose down --volumes ;;
*)
    echo "usage: ./scripts/compose.sh up [SERVICE…] | down" >&2
    exit 2
    ;;
esac
