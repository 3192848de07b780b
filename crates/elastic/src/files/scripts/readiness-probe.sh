#!/usr/bin/env bash
# Versions without a readiness port are ready when they answer a request.
set -uo pipefail
user=$PROBE_USERNAME
# The password comes by standard input, so that no list of processes shows it.
status=$(curl --silent --insecure --globoff --output /dev/null --write-out '%{http_code}' --config - \
  --max-time "${READINESS_PROBE_TIMEOUT:-3}" "${READINESS_PROBE_PROTOCOL:-https}://127.0.0.1:9200/" \
  <<< "user = \"$user:$(< "$PROBE_PASSWORD_PATH")\"")
[[ $status == 200 ]]
