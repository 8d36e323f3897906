#!/bin/sh
# Row 10: the guide's whole block of variables, and a server that starts with it. TOCSIN is the binary, DIR an empty
# directory; REDIS_URL is asked, as /health shows.
set -eu
export ENVIRONMENT=production
export LOG_LEVEL=INFO
ORCHESTRATOR_JWT_SECRET=$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')
key=$(openssl rand -hex 24)
export ORCHESTRATOR_JWT_SECRET
export ORCHESTRATOR_API_KEY_OPS="$key:operator"
ORCHESTRATOR_API_KEYS="$(openssl rand -hex 24),$(openssl rand -hex 24)"
export ORCHESTRATOR_API_KEYS
export REDIS_URL="${REDIS_URL:-redis://localhost:6379/0}"
export ORCHESTRATOR_PORT="${ORCHESTRATOR_PORT:-8000}"
export ORCHESTRATOR_CORS_ORIGINS='https://app.example.org,https://*.vercel.app'
export ORCHESTRATOR_RATE_LIMIT_TASKS=10
export ORCHESTRATOR_RATE_LIMIT_EVENTS=20
export ORCHESTRATOR_RATE_LIMIT_APPROVALS=5
export ORCHESTRATOR_RATE_LIMIT_STATS=30
export ORCHESTRATOR_QUEUE_PREFIX=orchestrator
export ORCHESTRATOR_TASK_TTL=86400
export ORCHESTRATOR_APPROVAL_TIMEOUT=86400
export ORCHESTRATOR_APPROVAL_HISTORY_TTL=2592000
export ORCHESTRATOR_MAX_APPROVAL_HISTORY=1000
export HEALTH_CHECK_TIMEOUT=5
export SENTRY_DSN='https://key@sentry.example.org/1'
export SLACK_WEBHOOK_URL='https://hooks.example.org/x'
export ALERT_EMAIL=ops@example.org
export ALERT_SLACK_CHANNEL='#ops'
export MAILTRAP_API_TOKEN=none

"$TOCSIN" serve --data-dir "$DIR" > "$DIR/../log" 2>&1 &
server=$!
trap 'kill $server 2> /dev/null; wait $server || true' EXIT
URL="http://127.0.0.1:$ORCHESTRATOR_PORT"
tries=0
until curl -sf -o /dev/null "$URL/-/ready"; do
  kill -0 $server
  tries=$((tries + 1))
  [ $tries -lt 300 ] || exit 1
  sleep 0.1
done

curl -sf "$URL/health" | tee /dev/stderr | grep -q '"redis": "connected"'
post() {
  curl -s -o /dev/null -w '%{http_code} ' -X POST "$URL/tasks" -H 'Content-Type: application/json' "$@" \
    -d '{"type": "bugfix", "payload": {}, "priority": "P2"}'
}
# The keys hold, on an address that others reach too; the eleventh task of a minute is one too many.
codes=$(post; for _ in 1 2 3 4 5 6 7 8 9 10 11; do post -H "X-API-Key: $key"; done)
echo "$codes"
[ "$codes" = "401 200 200 200 200 200 200 200 200 200 200 429 " ]
limit=$(curl -s -D - -o /dev/null "$URL/stats" | tr -d '\r' | sed -n 's/^[Xx]-[Rr]ate[Ll]imit-[Ll]imit: //p')
[ "$limit" = 30 ]
curl -s -D - -o /dev/null -H 'Origin: https://team.vercel.app' "$URL/health" | grep -qi '^access-control-allow-origin: https://team.vercel.app'
# What has no effect here is said, and no secret is.
grep -q 'ORCHESTRATOR_QUEUE_PREFIX has no effect' "$DIR/../log"
if grep -qF -e "$key" -e "$ORCHESTRATOR_JWT_SECRET" "$DIR/../log"; then exit 1; fi
