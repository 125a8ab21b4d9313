#!/usr/bin/env bash
# Deletes records below given offsets.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/delete_records.ts "$@"
