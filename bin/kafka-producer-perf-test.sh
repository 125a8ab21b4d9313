#!/usr/bin/env bash
# Measures how fast records are sent.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/producer_perf.ts "$@"
