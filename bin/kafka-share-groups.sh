#!/usr/bin/env bash
# Lists, describes and deletes share groups, and resets or deletes their offsets.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/share_groups.ts "$@"
