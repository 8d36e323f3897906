#!/bin/sh
# Row 9: a secret and a key by one line each, ours (TOCSIN is the binary) or anybody's; then the two pages.
set -eu
"$TOCSIN" secrets generate | grep -E '^ORCHESTRATOR_JWT_SECRET=.{32,}$' > /dev/null
"$TOCSIN" secrets generate --json | python3 -c 'import json, sys; assert len(json.load(sys.stdin)) >= 2'
python3 -c 'import secrets; print(secrets.token_urlsafe(32))' | grep -E '^.{43}$' > /dev/null
openssl rand -hex 32 | grep -E '^[0-9a-f]{64}$' > /dev/null
for page in /docs /redoc; do
  head=$(curl -s -o /dev/null -w '%{http_code} %{content_type}' "$URL$page")
  echo "$page $head"
  case $head in "200 text/html"*) ;; *) exit 1 ;; esac
  curl -sf "$URL$page" | grep -q '/openapi.json'
done
curl -sf "$URL/openapi.json" | python3 -c '
import json, sys
described = json.load(sys.stdin)
print(described["info"]["title"], len(described["paths"]), "paths")
assert "/tasks" in described["paths"]
'
