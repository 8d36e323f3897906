#!/bin/sh
# Row 11: is the API down? HEAD, then ten timed requests, each under 200 ms.
set -eu
curl -sfI "$URL/health" | head -1
i=0
while [ $i -lt 10 ]; do
  curl -s -o /dev/null -w '%{http_code} %{time_total}\n' "$URL/health"
  i=$((i + 1))
done | tee /dev/stderr | awk '$1 != 200 || $2 > 0.2 { bad = 1 } END { exit bad }'
