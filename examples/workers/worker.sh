#!/usr/bin/env bash
# A Tocsin worker in bash and curl: claims runs of kind "greet" and does them, until SIGTERM.
#
#     TOCSIN_SERVER=http://127.0.0.1:8080 TOCSIN_KEY=... examples/workers/worker.sh
set -euo pipefail
url=${TOCSIN_SERVER:-http://127.0.0.1:8080}/v1/work
boot=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
stopping=false done='[]'
trap 'stopping=true' TERM INT

# One round trip: finished work in, new work out. curl runs in the background, so that a signal is heard at once.
work() { # WANT WAIT_MS
  curl -sS --fail --max-time 60 "$url" -H 'Content-Type: application/json' -H "X-API-Key: $TOCSIN_KEY" -d @- >"$reply" <<<"
    {\"worker\": {\"id\": \"bash-$$\", \"boot_nonce\": \"$boot\", \"kinds\": [\"greet\"], \"slots_free\": 1,
      \"draining\": $stopping}, \"complete\": $done, \"want\": $1, \"wait_ms\": $2}"
}

# The first text under a key. jq does this better, where there is one.
field() { grep -o "\"$1\":\"[^\"]*\"" <<<"$2" | head -1 | cut -d'"' -f4; }

reply=$(mktemp)
trap 'rm -f "$reply"' EXIT
while [[ $stopping == false || $done != '[]' ]]; do
  if [[ $stopping == true ]]; then work 0 0; else work 1 1000; fi
  answer=$(tr -d '\n' <"$reply") done='[]'
  token=$(field attempt_token "$answer") || token=
  if [[ -n $token ]]; then
    # The work itself; a run longer than a third of its lease_ms must be extended meanwhile.
    name=$(field name "$answer") || name=world
    done="[{\"attempt_token\": \"$token\", \"outcome\": \"done\", \"result\": {\"greeting\": \"hello, $name\"}}]"
  fi
done
