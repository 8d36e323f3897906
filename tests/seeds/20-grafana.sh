#!/bin/sh
# Row 20: the dashboards' health, and a query through their first data source. GRAFANA is where a Grafana would be.
set -eu
GRAFANA="${GRAFANA:-http://localhost:3000}"
curl -sf "$GRAFANA/api/health" | tee /dev/stderr | python3 -c '
import json, sys
assert json.load(sys.stdin)["database"] == "ok"
'
curl -sfg "$GRAFANA/api/datasources/proxy/1/api/v1/query?query=up" | python3 -c '
import json, sys
reply = json.load(sys.stdin)
assert reply["status"] == "success", reply
print(len(reply["data"]["result"]), "series")
'
