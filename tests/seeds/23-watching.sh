#!/bin/sh
# Row 23: are metrics collected, do alerts fire, does the dashboard load? Three addresses, as the guide has them.
set -eu
PROMETHEUS="${PROMETHEUS:-http://localhost:9091}"
ALERTMANAGER="${ALERTMANAGER:-http://localhost:9093}"
GRAFANA="${GRAFANA:-http://localhost:3000}"
curl -sf "$PROMETHEUS/api/v1/targets" | python3 -c '
import json, sys
print([target["health"] for target in json.load(sys.stdin)["data"]["activeTargets"]])
'
curl -sf "$PROMETHEUS/api/v1/rules" | python3 -c '
import json, sys
print([group["name"] for group in json.load(sys.stdin)["data"]["groups"]])
'
curl -sf "$ALERTMANAGER/api/v2/alerts" | python3 -c '
import json, sys
print([alert["labels"]["alertname"] for alert in json.load(sys.stdin)])
'
curl -sf "$GRAFANA/api/datasources" | python3 -c '
import json, sys
sources = json.load(sys.stdin)
print([source["name"] for source in sources])
assert sources and sources[0]["type"] == "prometheus"
'
