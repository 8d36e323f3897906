#!/bin/sh
# Row 1: no credential, 200, the fields a reader looks for.
set -eu
body=$(curl -sf "$URL/health")
echo "$body"
curl -sv -o /dev/null "$URL/health" 2>&1 | grep -q '^< HTTP/1.1 200'
curl -s -o /dev/null -w 'time_total=%{time_total}\n' "$URL/health"
echo "$body" | python3 -c '
import json, sys
health = json.load(sys.stdin)
assert health["status"] == "healthy", health
assert health["redis"] == "connected", health
for key in ("pending_tasks", "processing_tasks", "total_tasks", "pending", "in_progress", "completed", "failed"):
    assert isinstance(health["queue_stats"][key], int), key
'
