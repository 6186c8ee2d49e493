#!/usr/bin/env bash
# Prints the targets of the Makefile, each with what stands behind its ##.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS=$'\t' read -r target what; do
    printf 'make %-14s%s\n' "$target" "$what"
done
