#!/bin/sh
# Row 8: the uptime service wants 200 and this very text, one space after the colon.
set -eu
curl -sf "$URL/health" | grep -F '"status": "healthy"'
