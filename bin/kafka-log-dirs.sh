#!/usr/bin/env bash
# Shows what brokers keep in which directory.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/log_dirs.ts "$@"
