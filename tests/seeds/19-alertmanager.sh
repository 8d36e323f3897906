#!/bin/sh
# Row 19: a test alert and a silence by the first version of the API, with no more than the playbook gives.
# ALERTMANAGER is where an Alertmanager would be.
set -eu
ALERTMANAGER="${ALERTMANAGER:-http://localhost:9093}"
curl -sf "$ALERTMANAGER/api/v1/status" | python3 -c '
import json, sys
reply = json.load(sys.stdin)
print(reply["data"]["versionInfo"])
assert reply["status"] == "success", reply
'
curl -sf -X POST "$ALERTMANAGER/api/v1/alerts" -H 'Content-Type: application/json' -d '[{
  "labels": {"alertname": "TestAlert", "severity": "warning", "instance": "test-instance"},
  "annotations": {"summary": "Test alert", "description": "is anybody told?"}
}]'
echo
curl -sf -X POST "$ALERTMANAGER/api/v1/silences" -H 'Content-Type: application/json' -d '{
  "matchers": [{"name": "alertname", "value": "TestAlert"}],
  "startsAt": "'"$(date -Iseconds)"'",
  "endsAt": "'"$(date -d '+1 hour' -Iseconds)"'",
  "comment": "planned maintenance"
}' | python3 -c '
import json, sys
reply = json.load(sys.stdin)
assert reply["status"] == "success" and reply["data"]["silenceId"], reply
'
curl -sf "$ALERTMANAGER/api/v1/silences" | python3 -c '
import json, sys
silences = json.load(sys.stdin)["data"]
for silence in silences:
    print(silence["id"], silence["comment"], silence["endsAt"])
assert any(silence["comment"] == "planned maintenance" for silence in silences)
'
