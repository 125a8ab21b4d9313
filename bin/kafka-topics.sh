#!/usr/bin/env bash
# Creates, lists, describes, alters and deletes topics.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/topics.ts "$@"
