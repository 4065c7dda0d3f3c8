#!/usr/bin/env bash
# The second light client against the golden vectors: what it must accept, and what it must refuse.
set -euo pipefail
cd "$(dirname "$0")"
source ../../tests/patiently.sh
patiently npm ci --no-audit --no-fund --fetch-retries 5
npm test
