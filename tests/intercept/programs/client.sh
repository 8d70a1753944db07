#!/bin/sh
# The vendor client's four calls with curl, its address built in. Knows nothing of upsim.
#
# sh client.sh PROFILE ELSEWHERE: says how a call to ELSEWHERE fails, then moves every worker to PROFILE.
set -eu
base=https://api.ultimate-proxy.com
profile=$1 elsewhere=$2

call() {
  curl --silent --show-error --fail --max-time 15 --header "X-API-Key: $UP_API_KEY" "$@"
}

call "$elsewhere" 2>&1 || true
call "$base/v1/workers/hashrate?algorithm=randomx&timeRange=1h" >/dev/null
call --request POST "$base/v1/profiles/$profile/default" >/dev/null
ids=
page=1 pages=1
while [ "$page" -le "$pages" ]; do
  found=$(call "$base/v1/workers?page=$page&limit=100&algorithm=randomx")
  ids="$ids $(printf %s "$found" | grep -oE '"_id": *"[0-9a-f]{24}"' | grep -oE '[0-9a-f]{24}')"
  pages=$(printf %s "$found" | grep -oE '"total_pages": *[0-9]+' | grep -oE '[0-9]+')
  page=$((page + 1))
done
list=$(printf '"%s",' $ids)
printf '{"worker_ids": [%s], "profile_id": "%s"}' "${list%,}" "$profile" |
  call --header 'Content-Type: application/json' --data-binary @- "$base/v1/workers/bulk-assign" >/dev/null
set -- $ids
echo "moved $#"
