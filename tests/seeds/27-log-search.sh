#!/bin/sh
# Row 27: which metrics were told, out of the log. LOG is the file.
set -eu
curl -sf -o /dev/null -X POST "$URL/api/v1/monitoring/metrics" -H 'Content-Type: application/json' \
  -d '[{"type": "counter", "name": "log_search", "value": 2, "tags": {"service": "groq"}}]'
tries=0
until grep '"event":"metric_counter"' "$LOG" | grep '"metric_name":"log_search"'; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || exit 1
  sleep 0.1
done | tail -1 | python3 -c '
import json, sys
line = json.loads(sys.stdin.read())
assert line["total"] >= 2 and line["tags"] == {"service": "groq"}, line
'
