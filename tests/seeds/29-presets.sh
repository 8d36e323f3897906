#!/bin/sh
# Row 29: the presets of a .env file, each picked up by a restart. TOCSIN is the binary, DIR an empty directory, PORT free.
set -eu
export PORT="${PORT:-8080}"
ORCHESTRATOR_JWT_SECRET=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')
export ORCHESTRATOR_JWT_SECRET
export ALERT_MEMORY_ENABLED=false
URL="http://127.0.0.1:$PORT"
server=
trap '[ -z "$server" ] || { kill "$server" 2> /dev/null; wait "$server" || true; }' EXIT

# preset NAME THRESHOLDS CROSSED, with the preset's variables on standard input
preset() {
  cat > "$DIR/../.env"
  set -a
  . "$DIR/../.env"
  set +a
  "$TOCSIN" serve --data-dir "$DIR/$1" >> "$DIR/../log" 2>&1 &
  server=$!
  tries=0
  until curl -sf -o /dev/null "$URL/-/ready"; do
    kill -0 "$server"
    tries=$((tries + 1))
    [ $tries -lt 300 ] || exit 1
    sleep 0.1
  done
  key=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["agent"])' "$DIR/$1/credentials.json")
  python3 -c '
import json
calls = [{"type": "counter", "name": "api_calls_groq_success", "value": 97},
         {"type": "counter", "name": "api_calls_groq_failure", "value": 3}]
print(json.dumps(calls + [{"type": "histogram", "name": "api_duration_ms_groq", "value": 1500}]))' |
    curl -sf -o /dev/null -X POST "$URL/api/v1/monitoring/metrics" -H "X-API-Key: $key" \
      -H 'Content-Type: application/json' -d @-
  crossed=$(curl -sf -X POST "$URL/api/v1/monitoring/evaluate" -H "X-API-Key: $key" | python3 -c '
import json, sys
print(" ".join(sorted(alert["name"] for alert in json.load(sys.stdin)["triggered_alerts"])))')
  count=$(curl -sf "$URL/api/v1/monitoring/status" -H "X-API-Key: $key" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["alert_thresholds_count"])')
  echo "$1: $count thresholds, crossed: $crossed"
  kill "$server"
  wait "$server" || true
  server=
  [ "$count" = "$2" ] && [ "$crossed" = "$3" ]
}

preset high-traffic 3 "high_error_rate slow_response_time" << 'END'
ALERT_ERROR_RATE_THRESHOLD=2.0
ALERT_RESPONSE_TIME_THRESHOLD=1000.0
END
preset low-traffic 3 "" << 'END'
ALERT_ERROR_RATE_THRESHOLD=10.0
ALERT_RESPONSE_TIME_THRESHOLD=3000.0
END
preset development 1 "" << 'END'
ALERT_ERROR_RATE_ENABLED=false
ALERT_RESPONSE_TIME_ENABLED=false
MONITORING_EVALUATION_INTERVAL=300
END
grep -q '"event":"monitoring_scheduler_started".*"interval_seconds":300' "$DIR/../log"
