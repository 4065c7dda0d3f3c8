"""The golden vectors of the scoring rules: `python test_vectors.py [FILE.json]`. Exit 0 only if every leaf is bit-equal."""

import json
import pathlib
import sys

import leaves
import sensing

DEFAULT = pathlib.Path(__file__).parents[2] / "crates/sectors/src/sensing/vectors/score.json"


def device(raw):
    id = bytes.fromhex(raw["id"][2:])
    history = {epoch: values for epoch, values in raw["history"]}
    readings = [(time, values) for time, values in raw["readings"]]
    reported = raw["reported"] and tuple(raw["reported"])
    position = tuple(raw["position"])
    return sensing.Device(
        id, raw["owner"], position, raw["index"], raw["expected"], reported, readings, history
    )


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    failed = 0
    for case in json.loads(path.read_text()):
        devices = [device(raw) for raw in case["devices"]]
        # `start_ms` of a vector is the start of epoch 0.
        scored = sensing.score_epoch(case["epoch"], case["start_ms"], case["epoch_ms"], devices)
        got = [leaves.score_leaf(case["epoch"], leaf).hex() for leaf in scored]
        want = [leaf["cbor"] for leaf in case["leaves"]]
        equal = got == want
        failed += not equal
        print("ok    " if equal else "FAILED", case["name"])
        for i, (mine, theirs) in enumerate(zip(got, want)):
            if mine != theirs:
                print(f"  leaf {i}: {scored[i][1:]}\n  vector: {case['leaves'][i]['view']}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
