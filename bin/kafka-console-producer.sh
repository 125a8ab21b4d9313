#!/usr/bin/env bash
# Sends the lines of standard input to a topic.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/console_producer.ts "$@"
