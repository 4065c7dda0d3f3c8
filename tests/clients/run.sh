#!/usr/bin/env bash
# Unmodified viem and cast against a network of this build; with CAIRN_RPC set, against that one.
# CAIRN names the program; without it cargo builds and runs it.
set -euo pipefail
cd "$(dirname "$0")"
npm ci --no-audit --no-fund
if [[ -n "${CAIRN_RPC:-}" ]]; then
  exec npm test
fi

data=$(mktemp -d)
${CAIRN:-cargo run --release --quiet --} up --dir "$data/network" --rpc-port 0 >"$data/log" 2>&1 &
network=$!
stop() {
  kill -INT "$network" 2>/dev/null || true
  wait "$network" 2>/dev/null || true
  rm -rf "$data"
}
trap stop EXIT

# The file with the endpoints is written when everything runs.
until [[ -f "$data/network/network.json" ]]; do
  if ! kill -0 "$network" 2>/dev/null; then
    cat "$data/log"
    exit 1
  fi
  sleep 1
done
CAIRN_RPC=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).rpc[0]' "$data/network/network.json")
# The founder has stones and sends nothing by itself.
export CAIRN_RPC CAIRN_KEY_FILE="$data/network/keys/founder.key"
npm test
