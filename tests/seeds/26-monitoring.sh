#!/bin/sh
# Row 26: the monitoring API, read and evaluated by hand. No body, no credential.
set -eu
check() {
  python3 -c "
import json, sys
reply = json.load(sys.stdin)
print(json.dumps(reply)[:400])
$1
"
}
curl -sf "$URL/api/v1/monitoring/status" | check '
assert isinstance(reply["sentry_enabled"], bool)
assert isinstance(reply["alert_thresholds_count"], int) and isinstance(reply["active_alerts_count"], int)
assert isinstance(reply["last_evaluation"], str) and isinstance(reply["active_alerts"], list)'
curl -sf "$URL/api/v1/monitoring/alerts?hours=24" | check 'assert isinstance(reply, list)'
curl -sf -X POST "$URL/api/v1/monitoring/evaluate" | check '
assert reply["evaluated"] is True
assert reply["triggered_alerts_count"] == len(reply["triggered_alerts"])'
curl -sf "$URL/api/v1/monitoring/metrics" | check '
assert set(reply) == {"counters", "gauges", "histograms", "timestamp"}
assert 0 < reply["gauges"]["memory_usage_percent"] <= 100'
for hours in 0 169; do
  [ "$(curl -s -o /dev/null -w '%{http_code}' "$URL/api/v1/monitoring/alerts?hours=$hours")" = 400 ]
done
curl -sf "$URL/api/v1/health" | check 'assert reply["status"] in ("healthy", "degraded") and reply["services"]'
curl -sf "$URL/api/v1/metrics" | check 'assert "counters" in reply'
