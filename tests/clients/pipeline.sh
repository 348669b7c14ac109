#!/usr/bin/env bash
# How caches were flushed from pipelines in 2020, before there was a command for it: the access key by az, and two commands
# of the Redis protocol over TLS. Prints the two answers.
#
# usage: pipeline.sh PORT
set -euo pipefail

primary_key=$(az redis list-keys -g mygroup -n myredis --query primaryKey -o tsv)
key_length=$(echo -n "$primary_key" | wc -m)

{ echo -e "*2\r\n\$4\r\nAUTH\r\n\$$key_length\r\n$primary_key\r\n*1\r\n\$8\r\nFLUSHALL\r\n"; sleep 1; } | ncat --ssl localhost "$1"
