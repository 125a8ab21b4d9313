#!/usr/bin/env bash
# Measures how fast records are read.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/consumer_perf.ts "$@"
