#!/usr/bin/env bash
# Starts a broker: [-daemon] server.properties [--override property=value]…
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

usage="USAGE: $0 [-daemon] server.properties [--override property=value]*"
daemon=
if [ "${1-}" = -daemon ]; then
  daemon=yes
  shift
fi
if [ $# -eq 0 ]; then
  echo "$usage" >&2
  exit 1
fi

permissions=(--allow-net --allow-read --allow-write --allow-env)
if [ -n "$daemon" ]; then
  logs=${LOG_DIR:-$root/logs}
  mkdir -p "$logs"
  nohup "$0" "$@" >"$logs/kafkaServer.out" 2>&1 </dev/null &
  exit 0
fi
run_deno "${permissions[@]}" -- main.ts "$@"
