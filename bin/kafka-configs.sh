#!/usr/bin/env bash
# Shows and changes settings of topics, brokers, groups and clients.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/configs.ts "$@"
