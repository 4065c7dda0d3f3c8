#!/usr/bin/env bash
# Unmodified viem, ethers, cast and web3.py against a network of this build; with CAIRN_RPC set, against that one.
# CAIRN names the program; without it cargo builds and runs it.
set -euo pipefail
cd "$(dirname "$0")"
source ../patiently.sh
patiently npm ci --no-audit --no-fund --fetch-retries 5
# Python's packages in an environment of their own, made once and renewed when the list changes.
if ! cmp --quiet python/requirements.txt .venv/requirements.txt; then
  "${PYTHON:-python3}" -m venv --clear .venv
  patiently .venv/bin/pip install --quiet --disable-pip-version-check -r python/requirements.txt
  cp python/requirements.txt .venv/
fi

data=$(mktemp -d)
running=()
stop() {
  for process in "${running[@]}"; do
    kill -INT "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  rm -rf "$data"
}
trap stop EXIT

# Waits until the process has written the file; shows its log if it ends before.
wait_for() {
  until [[ -s "$2" ]]; do
    if ! kill -0 "$1" 2>/dev/null; then
      cat "$3"
      exit 1
    fi
    sleep 1
  done
}

# A development chain, for the suite that a contract author would write.
${CAIRN:-cargo run --release --quiet --} up --dev --dir "$data/dev" --rpc-port 0 --json >"$data/ready" 2>"$data/dev.log" &
running+=($!)
wait_for "$!" "$data/ready" "$data/dev.log"
CAIRN_DEV_RPC=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).rpc' "$data/ready")
export CAIRN_DEV_RPC
npm run dev

if [[ -z "${CAIRN_RPC:-}" ]]; then
  ${CAIRN:-cargo run --release --quiet --} up --dir "$data/network" --rpc-port 0 --patience-seconds 3600 >"$data/log" 2>&1 &
  running+=($!)
  # The file with the endpoints is written when everything runs.
  wait_for "$!" "$data/network/network.json" "$data/log"
  CAIRN_RPC=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).rpc[0]' "$data/network/network.json")
  # The founder has stones and sends nothing by itself.
  export CAIRN_RPC CAIRN_KEY_FILE="$data/network/keys/founder.key"
fi

npm test
# One account sends in all suites, so they run one after the other.
node lib/print-abi.js >"$data/abi.json"
CAIRN_ABI="$data/abi.json" .venv/bin/python python/test_web3.py
