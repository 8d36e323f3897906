#!/bin/sh
# Row 12: a task for one minute from now, no credential, no author; its run shows within 70 s.
set -eu
at=$(date -u -d '+1 minute' -Iseconds)
id=$(curl -sS -X POST "$URL/tasks" -H 'Content-Type: application/json' -d '{
  "title": "Scheduler recovery test",
  "description": "does the scheduler hand out work?",
  "schedule_kind": "once",
  "schedule_expr": "'"$at"'",
  "payload": {"pipeline": [{"id": "test", "uses": "noop", "with": {}}]}
}' | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])')
echo "task $id at $at"
waited=0
while [ "$waited" -lt 70 ]; do
  sleep 1
  waited=$((waited + 1))
  if curl -sf "$URL/runs/?task_id=$id" | python3 -c '
import json, sys
runs = json.load(sys.stdin)["items"]
sys.exit(0 if any(run["success"] for run in runs) else 1)'; then
    echo "ran after $waited s"
    exit 0
  fi
done
echo "no run within 70 s" >&2
exit 1
