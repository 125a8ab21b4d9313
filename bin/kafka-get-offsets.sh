#!/usr/bin/env bash
# Shows first, last and other offsets of partitions.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/get_offsets.ts "$@"
