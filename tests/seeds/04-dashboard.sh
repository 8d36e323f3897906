#!/bin/sh
# Row 4: a dashboard in a terminal.
set -eu
round=0
while [ "$round" -lt "${ROUNDS:-1000000}" ]; do
  [ "$round" -eq 0 ] || sleep "${PAUSE:-300}"
  curl -sf "$URL/health" | python3 -c 'import json,sys; h=json.load(sys.stdin); print("status", h["status"], "redis", h["redis"])'
  curl -sf "$URL/stats" | python3 -c 'import json,sys; q=json.load(sys.stdin)["queue"]; print(q["pending_tasks"], q["processing_tasks"], q["total_tasks"])'
  round=$((round + 1))
done
