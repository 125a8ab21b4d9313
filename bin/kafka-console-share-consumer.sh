#!/usr/bin/env bash
# Takes records from a queue and prints them.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/console_share_consumer.ts "$@"
