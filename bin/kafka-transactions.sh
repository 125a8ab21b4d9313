#!/usr/bin/env bash
# Lists, describes and ends transactions, and finds those that hang.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

run_deno --allow-net --allow-read --allow-env="$tool_environment" -- cli/transactions.ts "$@"
