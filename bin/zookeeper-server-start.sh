#!/usr/bin/env bash
# The first step of the classic quick start; nothing needs to be started.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-read --allow-env="$tool_environment" -- cli/zookeeper_server_start.ts "$@"
