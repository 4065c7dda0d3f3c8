"""A made-up network folder: recompute accepts it, and refuses it when one byte of any file is changed, needed or not.

It proves the plumbing, not the rules: the roots in it come from this program. The rules are proved by `test_vectors.py` and by
running `recompute.py` on a real network.
"""

import io
import json
import pathlib
import subprocess
import sys
import tempfile

import cbor2
import pyarrow
import pyarrow.parquet as parquet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import evidence
import leaves
import recompute
import sources

START, EPOCH_MS, GENESIS = 1_356_998_400_000, 3_600_000, leaves.sha256(b"genesis")
ECONOMY = {
    "fee_burn_ppm": 50_000,
    "fee_treasury_ppm": 20_000,
    "fee_insurance_ppm": 10_000,
    "match_ppm": 900_000,
    "target_cells": 3,
    "cell_target": 3,
}
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(1, 4)]
PUBLIC = [key.public_key().public_bytes_raw() for key in KEYS]
IDS = [evidence.device_id(1, key) for key in PUBLIC]


def batch(n, epoch, anchor):
    wave = (epoch * 7 + n) % 5
    values = [1500 + 30 * wave + epoch, 6000 - 50 * wave, 300 + 10 * wave, 90, 101300 + wave, 0, None]
    rows = [(START + epoch * EPOCH_MS + 60_000, values)]
    unsigned = evidence.Batch(IDS[n], 0, epoch, rows[0][0], anchor, None, 1, rows, 1, bytes(64))
    return evidence.Batch(IDS[n], 0, epoch, rows[0][0], anchor, None, 1, rows, 1, KEYS[n].sign(unsigned.signed))


def seal(batches, epoch):
    batches = sorted(batches, key=evidence.Batch.order)
    rows = [
        (i, b.device, b.stream, b.first_seq + k, time, *values)
        for i, b in enumerate(batches)
        for k, (time, values) in enumerate(b.rows)
    ]
    kinds = [pyarrow.uint32(), pyarrow.binary(16), pyarrow.uint16(), pyarrow.uint64(), pyarrow.uint64()]
    kinds += [pyarrow.int32()] * len(evidence.FIELDS)
    names = ["batch", "device", "stream", "seq", "time_ms", *evidence.FIELDS]
    columns = [pyarrow.array(list(column), kind) for column, kind in zip(zip(*rows), kinds)]
    out = io.BytesIO()
    parquet.write_table(pyarrow.table(dict(zip(names, columns))), out)
    readings = out.getvalue()
    anchors = sorted({b.anchor for b in batches})
    headers = [
        [i, b.stream, b.first_seq, b.rows[0][0], anchors.index(b.anchor), None, 1, len(b.rows), 1, b.signature]
        for i, b in enumerate(batches)
    ]
    digest = leaves.sha256(readings)
    listed = [b.device for b in batches]
    sidecar = [1, epoch, 1, digest, len(readings), [1], listed, [list(a) for a in anchors], headers]
    sidecar = cbor2.dumps(sidecar, canonical=True)
    commitment = {
        "ingest": "0x" + "11" * 20,
        "root": "0x" + leaves.merkle_root(b.leaf for b in batches).hex(),
        "digest": "0x" + leaves.sha256(sidecar).hex(),
        "count": len(batches),
        "size": len(sidecar) + len(readings),
        "included": True,
    }
    return commitment, [sidecar, readings]


def build(folder, epochs):
    archive = pathlib.Path(folder) / "validators/0/archive"
    (archive / "files").mkdir(parents=True)
    (archive / "epochs").mkdir()
    roots = {0: GENESIS}
    for epoch in range(epochs):
        anchor_epoch = max(0, epoch - 1)
        anchor = (anchor_epoch, roots[anchor_epoch][:8])
        commitment, files = seal([batch(n, epoch, anchor) for n in range(3)], epoch)
        for content in files:
            (archive / "files" / leaves.sha256(content).hex()).write_bytes(content)
        earned = [{"device": "0x" + IDS[0].hex(), "paid": 1000}] if epoch % 2 else []
        paid = 920 if earned else 0
        devices = [
            {
                "id": "0x" + IDS[n].hex(),
                "owner": "0x" + bytes([n + 1] * 20).hex(),
                "key_type": 1,
                "key": PUBLIC[n].hex(),
                "assurance": 3,
                "index": n,
                "registered": 0,
                "end": None,
                "position": {"lat_e7": 406_900_000 + n * 1_000_000, "lon_e7": -741_600_000, "elevation_dm": 50},
                "cell": 1000 + n,
            }
            for n in range(3)
        ]
        price = 100_000
        pool = {"epoch": epoch, "sector": "sensing", "price": price, "usage": 500, "need": 30_000}
        pool |= {"earned": paid, "earned_stones": paid * 10**18 // price}
        inputs = {
            "version": 1,
            "genesis": "0x" + GENESIS.hex(),
            "epoch": epoch,
            "sector": "sensing",
            "schedule": {"start": START, "epoch_ms": EPOCH_MS},
            "economy": ECONOMY,
            "pool": pool,
            "earned": earned,
            "anchors": [{"epoch": k, "root": "0x" + roots[k].hex()} for k in roots if epoch - 26 <= k <= epoch],
            "devices": devices,
            "commitments": [commitment],
        }
        here = archive / "epochs" / str(epoch)
        here.mkdir(parents=True)
        (here / "inputs.json").write_text(json.dumps(inputs))
        found, result = recompute.recompute(recompute.Network(sources.Folder(folder), None), epoch)
        for kind, content in found.items():
            lines = [
                json.dumps({"index": i, "hash": "0x" + leaves.leaf_hash(leaf).hex(), "bytes": leaf.hex(), "leaf": None})
                for i, leaf in enumerate(content)
            ]
            (here / f"{kind}.jsonl").write_text("\n".join(lines) + "\n")
        text = {name: "0x" + v.hex() if isinstance(v, bytes) else v for name, v in result.items()}
        (here / "result.json").write_text(json.dumps(text))
        roots[epoch + 1] = result["reward_root"]
    return archive


def run(folder, epoch):
    program = pathlib.Path(recompute.__file__)
    done = subprocess.run(
        [sys.executable, program, "--dir", folder, "--epoch", str(epoch), "--json"], capture_output=True, text=True
    )
    return done.returncode, json.loads(done.stdout)


def main():
    with tempfile.TemporaryDirectory() as folder:
        epochs = 6
        archive = build(folder, epochs)
        code, report = run(folder, epochs - 1)
        assert (code, report["ok"], report["verdicts"], report["rewards"]) == (0, True, 3, 3), report
        print("ok     unchanged:", report["reward_root"])
        changed = sorted((archive / "files").iterdir())
        changed += [archive / f"epochs/{epochs - 1}/{kind}.jsonl" for kind in ("verdicts", "scores", "rewards")]
        for path in changed:
            content = path.read_bytes()
            at = content.index(b'"bytes": "') + 30 if path.suffix else len(content) // 2
            flipped = bytearray(content)
            flipped[at] = flipped[at] ^ 1
            path.write_bytes(bytes(flipped))
            code, report = run(folder, epochs - 1)
            assert code == 1 and report["difference"], (path, code, report)
            print("ok    ", report["difference"][:150])
            path.write_bytes(content)
        # A file that the audited epoch does not need: the folder as a whole is what is vouched for.
        last = json.loads((archive / f"epochs/{epochs - 1}/inputs.json").read_text())["commitments"][0]["digest"]
        path = archive / "files" / last.removeprefix("0x")
        path.write_bytes(path.read_bytes() + b"x")
        code, report = run(folder, 0)
        assert code == 1 and path.name in report["difference"], report
        print("ok    ", report["difference"][:150])
    return 0


if __name__ == "__main__":
    sys.exit(main())
