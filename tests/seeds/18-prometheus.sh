#!/bin/sh
# Row 18: is the watching itself well? PROMETHEUS is where a Prometheus would be. A brace needs curl's -g.
set -eu
PROMETHEUS="${PROMETHEUS:-http://localhost:9090}"
curl -sf "$PROMETHEUS/-/healthy"
curl -sf "$PROMETHEUS/-/ready"
curl -sf "$PROMETHEUS/api/v1/targets" | python3 -c '
import json, sys
targets = json.load(sys.stdin)["data"]["activeTargets"]
for target in targets:
    print(target["labels"]["job"], target["health"])
assert targets
'
curl -sf "$PROMETHEUS/api/v1/rules" | python3 -c '
import json, sys
for group in json.load(sys.stdin)["data"]["groups"]:
    print(group["name"], len(group["rules"]), "rules")
'
ask() {
  curl -sfg "$PROMETHEUS/api/v1/query?query=$1" | tee /dev/stderr | python3 -c '
import json, sys
reply = json.load(sys.stdin)
assert reply["status"] == "success" and reply["data"]["result"], reply
'
}
ask 'up'
ask 'up{job="orchestrator-api"}'
ask 'orchestrator_tasks_total'
