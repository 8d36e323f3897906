#!/bin/sh
# Row 2: no credential, numbers under "queue", the real time.
set -eu
curl -sf "$URL/stats" | python3 -c '
import datetime, json, sys
stats = json.load(sys.stdin)
print(stats)
for key in ("pending_tasks", "processing_tasks", "total_tasks"):
    assert isinstance(stats["queue"][key], int), key
at = datetime.datetime.fromisoformat(stats["timestamp"].replace("Z", "+00:00"))
age = abs((datetime.datetime.now(datetime.timezone.utc) - at).total_seconds())
assert age < 60, stats["timestamp"]
'
