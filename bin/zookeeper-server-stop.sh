#!/usr/bin/env bash
# The counterpart of zookeeper-server-start.sh; nothing needs to be stopped.
echo "No ZooKeeper to stop: the supervisor inside the broker plays that role, and ends with it."
