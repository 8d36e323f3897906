#!/bin/sh
# Row 6: TOKEN is an agent's.
set -eu
curl -sS -w '\n%{http_code}\n' -X POST "$URL/tasks" \
  -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
  -d '{"type": "bugfix", "payload": {}, "priority": "P2"}' | tee /dev/stderr | python3 -c '
import json, sys
lines = sys.stdin.read().strip().split("\n")
body, code = "\n".join(lines[:-1]), lines[-1]
reply = json.loads(body)
assert code == "200", code
assert reply["success"] is True and reply["task_id"], reply
'
