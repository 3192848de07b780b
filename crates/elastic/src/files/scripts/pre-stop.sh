#!/usr/bin/env bash
# Tells the cluster that this node stops and comes back, and gives clients time to forget its address. Whatever fails here
# only costs time: the node stops all the same.
set -uo pipefail

begun=$SECONDS
least=${PRE_STOP_ADDITIONAL_WAIT_SECONDS:-50}
type=${PRE_STOP_SHUTDOWN_TYPE:-restart}
dns_errors_allowed=${PRE_STOP_MAX_DNS_ERRORS:-2}
url=@URL@
user=elastic-internal-pre-stop
# curl exits so if it can't find the name: the cluster may be gone as a whole.
could_not_resolve=6

say() {
  # To the container's own log; what a hook prints goes nowhere.
  echo "pre-stop: $*" >> /proc/1/fd/1 2>/dev/null || echo "pre-stop: $*"
}

finish() {
  local left=$((least - (SECONDS - begun)))
  ((left <= 0)) || sleep "$left"
  exit 0
}

# The password comes by standard input, so that no list of processes shows it.
call() {
  curl --silent --insecure --fail --max-time 10 --config - "$@" <<< "user = \"$user:$(< "/mnt/elastic-internal/pod-mounted-users/$user")\""
}

# try NAME COMMAND…: up to eight times, each wait twice as long as the one before.
try() {
  local name=$1 attempt pause=1 dns_errors=0 code
  shift
  for attempt in 1 2 3 4 5 6 7 8; do
    "$@"
    code=$?
    ((code != 0)) || return 0
    if ((code == could_not_resolve)); then
      dns_errors=$((dns_errors + 1))
      ((dns_errors <= dns_errors_allowed)) || { say "$name: the Service's name is unknown"; return 1; }
    fi
    say "$name: attempt $attempt failed with $code"
    ((attempt == 8)) || sleep "$pause"
    pause=$((pause * 2))
  done
  return 1
}

find_id() {
  local nodes id name
  nodes=$(call "$url/_cat/nodes?full_id=true&h=id,name") || return
  while read -r id name; do
    [[ $name != "$POD_NAME" ]] || { node=$id; return 0; }
  done <<< "$nodes"
  return 1
}

# A record that is there already says more than this hook knows: a node that leaves for good must not be called back.
has_record() {
  local record
  record=$(call "$url/_nodes/$node/shutdown") || return
  [[ $record == *'"node_id"'* ]] && recorded=1 || recorded=0
}

put_record() {
  call --request PUT "$url/_nodes/$node/shutdown" --header 'Content-Type: application/json' \
    --data "{\"type\": \"$type\", \"reason\": \"pre-stop hook\"}" > /dev/null
}

supported=@SUPPORTED@
if [[ $supported == yes ]]; then
  if try "looking up the node" find_id && try "looking for a shutdown record" has_record; then
    ((recorded == 1)) || try "writing a shutdown record" put_record || say "no shutdown record was written"
  fi
fi
finish
