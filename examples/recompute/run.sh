#!/usr/bin/env bash
# The second implementation against the golden vectors, against a made-up network and against an epoch of a network of this build;
# then one byte of a batch file is changed, and it must fail. CAIRN names the program; without it cargo builds and runs it.
set -euo pipefail
cd "$(dirname "$0")"
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
python3 -m venv "$data/venv"
python="$data/venv/bin/python"
source ../../tests/patiently.sh
patiently "$python" -m pip install --quiet --disable-pip-version-check -r requirements.txt

"$python" test_vectors.py
"$python" test_network.py
${CAIRN:-cargo run --release --quiet --} up --dir "$data/network" --rpc-port 0 --epoch-seconds 2 --patience-seconds 3600 --until epoch:6 --json | tail -n 1
"$python" recompute.py --dir "$data/network" --epoch 3

victim=$(find "$data/network/validators/0/archive/files" -type f | sort | head -n 1)
"$python" - "$victim" <<'CHANGE'
import sys
path = sys.argv[1]
content = bytearray(open(path, "rb").read())
content[len(content) // 2] ^= 1
open(path, "wb").write(content)
CHANGE
# Whatever epoch the file belongs to, the folder is not what the ledger says any more.
if "$python" recompute.py --dir "$data/network" --epoch 0 >/dev/null; then
  echo "a changed byte in $victim passed the recomputation"
  exit 1
fi
echo "one epoch recomputed bit for bit; a changed byte was found"
