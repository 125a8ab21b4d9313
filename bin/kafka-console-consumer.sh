#!/usr/bin/env bash
# Prints the records of a topic.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/console_consumer.ts "$@"
