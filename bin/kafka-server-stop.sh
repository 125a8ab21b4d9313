#!/usr/bin/env bash
# Stops the broker whose data directory the given server.properties names, and waits for its end.
source "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/kavka-run.sh"

pid=$(run_deno --allow-read --allow-write --allow-env -- cli/server_stop.ts "$@")
# Help was asked for.
case $pid in
  "" | *[!0-9]*) echo "$pid"; exit 0 ;;
esac

kill -TERM "$pid"
for _ in $(seq 300); do
  kill -0 "$pid" 2>/dev/null || exit 0
  sleep 0.1
done
echo "Server $pid has not ended in 30 s" >&2
exit 1
