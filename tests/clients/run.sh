#!/usr/bin/env bash
# Unmodified viem, ethers, cast and web3.py against a network of this build; with CAIRN_RPC set, against that one.
# CAIRN names the program; without it cargo builds and runs it.
set -euo pipefail
cd "$(dirname "$0")"
npm ci --no-audit --no-fund
# Python's packages in an environment of their own, made once and renewed when the list changes.
if ! cmp --quiet python/requirements.txt .venv/requirements.txt; then
  "${PYTHON:-python3}" -m venv --clear .venv
  .venv/bin/pip install --quiet --disable-pip-version-check -r python/requirements.txt
  cp python/requirements.txt .venv/
fi

data=$(mktemp -d)
network=
stop() {
  if [[ -n "$network" ]]; then
    kill -INT "$network" 2>/dev/null || true
    wait "$network" 2>/dev/null || true
  fi
  rm -rf "$data"
}
trap stop EXIT

if [[ -z "${CAIRN_RPC:-}" ]]; then
  ${CAIRN:-cargo run --release --quiet --} up --dir "$data/network" --rpc-port 0 >"$data/log" 2>&1 &
  network=$!
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
fi

npm test
# One account sends in all suites, so they run one after the other.
node lib/print-abi.js >"$data/abi.json"
CAIRN_ABI="$data/abi.json" .venv/bin/python python/test_web3.py
