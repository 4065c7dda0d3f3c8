"""Recompute an epoch of a Cairn network: every verdict, score and reward, and the three roots.

    recompute.py (--dir DIR | --rpc URL) --epoch N [--archive URL ...] [--json]

The independent second implementation, written from docs/spec/ alone. Exit 0 only if the roots and the sums are those of the ledger
and every batch file is what its name says; else 1, naming the first difference.
"""

import argparse
import json
import sys

import cbor2

import evidence
import leaves
import rejections
import rewards
import sensing
import sources
from ledger import Ledger

HISTORY = 47
CURSOR = 26
EXPECTED = 1


class Different(Exception):
    """What is not as the ledger says."""


def show(value):
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def must_equal(what, mine, theirs):
    if mine != theirs:
        raise Different(f"{what}: recomputed {show(mine)}, the ledger has {show(theirs)}")


class Network:
    """What is known about an epoch: files from the archives, roots from the ledger."""

    def __init__(self, archive, ledger):
        self.archive, self.ledger = archive, ledger

    def must_have(self, epoch, name):
        content = self.archive.epoch_file(epoch, name)
        if content is None:
            raise Different(f"epoch {epoch}: no archive has {name}")
        return content

    def result(self, epoch):
        if self.ledger:
            return self.ledger.result(epoch)
        copies = self.archive.copies(f"epochs/{epoch}/result.json")
        if not copies:
            raise Different(f"epoch {epoch} is not final in any archive")
        for path, content in copies[1:]:
            if content != copies[0][1]:
                raise Different(f"{path} is not {copies[0][0]}")
        return sources.read_result(copies[0][1])

    def inputs(self, epoch):
        inputs = sources.read_inputs(self.must_have(epoch, "inputs.json"))
        if inputs["version"] != 1 or inputs["epoch"] != epoch:
            raise Different(f"inputs.json is of version {inputs['version']}, epoch {inputs['epoch']}")
        for id, device in inputs["devices"].items():
            must_equal("the id of a device's key", evidence.device_id(device["key_type"], device["key"]), id)
        if self.ledger:
            pool = self.ledger.pool(epoch)
            for name, value in pool.items():
                must_equal(f"inputs.json, pool {name}", inputs["pool"][name], value)
            for name, value in self.ledger.parameters(epoch).items():
                must_equal(f"inputs.json, {name} in force", inputs["economy"][name], value)
            commitments = self.ledger.commitments(epoch)
            must_equal("inputs.json, number of commitments", len(inputs["commitments"]), len(commitments))
            for i, (mine, theirs) in enumerate(zip(inputs["commitments"], commitments)):
                for name, value in theirs.items():
                    must_equal(f"inputs.json, commitment {i}, {name}", mine[name], value)
        return inputs

    def batches(self, epoch, inputs):
        batches = []
        for i, commitment in enumerate(inputs["commitments"]):
            if commitment["included"]:
                try:
                    batches += evidence.open_commitment(commitment, epoch, self.file)
                except (evidence.Broken, cbor2.CBORError, ValueError, OSError) as error:
                    raise Different(f"epoch {epoch}, commitment {i}: {error}") from error
        return batches

    def file(self, digest):
        """The file; a copy with another content in any archive of a folder is a difference."""
        for path, content in self.archive.copies(f"files/{digest.hex()}"):
            if leaves.sha256(content) != digest:
                raise evidence.Broken(f"{path} has the content {show(leaves.sha256(content))}")
        return self.archive.file(digest)


def earlier(network, epoch):
    """What the epochs before leave behind: sequence numbers in use, and samples."""
    cursor, history = evidence.Cursor(), {}
    for before in range(max(0, epoch - HISTORY), epoch):
        verdicts = sources.read_leaves(network.must_have(before, "verdicts.jsonl"))
        root = leaves.merkle_root(leaves.leaf_hash(leaf) for leaf in verdicts)
        must_equal(f"verdict root of epoch {before}", root, network.result(before)["verdict_root"])
        inputs = network.inputs(before)
        batches = {batch.leaf: batch for batch in network.batches(before, inputs)}
        accepted = []
        for leaf in verdicts:
            _, _, _, name, device, stream, first, rows, rejection = cbor2.loads(leaf)
            if rejection == 0:
                accepted.append(batches[name])
                if before >= epoch - CURSOR:
                    cursor.record(before, device, stream, first, rows, name)
        for device, (readings, _) in evidence.deliveries(accepted, before, inputs).items():
            sample = sensing.sample_of(readings)
            if sample is not None:
                history.setdefault(device, {})[before] = sample
    return cursor, history


def check_anchors(network, epoch, inputs):
    """Anchors are the genesis hash and reward roots of earlier epochs."""
    for anchor, root in inputs["anchors"].items():
        expected = inputs["genesis"] if anchor == 0 else network.result(anchor - 1)["reward_root"]
        must_equal(f"inputs.json, anchor {anchor}", root, expected)


def recompute(network, epoch):
    """The three lists of leaves and the result."""
    inputs = network.inputs(epoch)
    check_anchors(network, epoch, inputs)
    cursor, history = earlier(network, epoch)
    judged = evidence.judge_all(network.batches(epoch, inputs), epoch, inputs, cursor)
    verdicts = [leaves.verdict_leaf(epoch, batch, rejection) for batch, rejection in judged]
    delivered = evidence.deliveries([b for b, rejection in judged if rejection == 0], epoch, inputs)
    devices = []
    for id, device in inputs["devices"].items():
        if evidence.is_active(device, epoch):
            readings, reported = delivered.get(id, ([], None))
            past = history.get(id, {})
            place, owner, index = device["position"], device["owner"], device["index"]
            devices.append(sensing.Device(id, owner, place, index, EXPECTED, reported, readings, past))
    scored = sensing.score_epoch(epoch, inputs["start_ms"], inputs["epoch_ms"], devices)
    scores = [leaves.score_leaf(epoch, leaf) for leaf in scored]
    paid, usage, need = share(inputs, {leaf[0]: leaf[5] for leaf in scored})
    reward_leaves = [leaves.reward_leaf(epoch, reward) for reward in paid]
    root = lambda found: leaves.merkle_root(leaves.leaf_hash(leaf) for leaf in found)
    result = {
        "verdict_root": root(verdicts),
        "score_root": root(scores),
        "reward_root": root(reward_leaves),
        "devices": len(paid),
        "earned_stones": sum(reward["earned_stones"] for reward in paid),
        "subsidy_stones": sum(reward["subsidy_stones"] for reward in paid),
        "usage": usage,
        "need": need,
    }
    return {"verdicts": verdicts, "scores": scores, "rewards": reward_leaves}, result


def share(inputs, score_of):
    earned = {}
    for id, paid in inputs["earned"]:
        earned[id] = earned.get(id, 0) + paid
    economy, pool = inputs["economy"], inputs["pool"]
    must_equal("inputs.json, pool earned", rewards.provider_share(sum(earned.values()), economy), pool["earned"])
    must_equal("inputs.json, pool stones", pool["earned"] * rewards.STONE // pool["price"], pool["earned_stones"])
    listed = [
        inputs["devices"][id] | {"score": score_of.get(id, 0)} for id in sorted(set(score_of) | set(earned))
    ]
    return rewards.split(pool, economy, listed, earned)


def check_files(network):
    """With a folder, every batch file in it is looked at, needed or not: a changed byte anywhere is a difference."""
    changed = network.archive.changed()
    if changed:
        raise Different("%s was changed: its content is 0x%s" % changed)


def compare(network, epoch, found, result):
    """Raises `Different` at the first leaf, root or sum that is not the ledger's."""
    final = network.result(epoch)
    for kind, name in (("verdicts", "verdict_root"), ("scores", "score_root"), ("rewards", "reward_root")):
        published = sources.read_leaves(network.must_have(epoch, f"{kind}.jsonl"))
        for i, (mine, theirs) in enumerate(zip(found[kind], published)):
            if mine != theirs:
                raise Different(f"{kind} leaf {i}: recomputed {describe(mine)}, published {describe(theirs)}")
        must_equal(f"number of {kind} leaves", len(found[kind]), len(published))
        must_equal(name, result[name], final[name])
    for name in ("devices", "earned_stones", "subsidy_stones", "usage", "need"):
        must_equal(name, result[name], final[name])


def describe(leaf):
    if len(leaf) == 93:
        return show(leaf)
    try:
        items = cbor2.loads(leaf)
    except (cbor2.CBORError, ValueError):
        return show(leaf)
    number = items[8] if items[0] == 1 else items[9]
    shown = [show(item) if isinstance(item, bytes) else item for item in items]
    return f"{shown} ({rejections.NAMES.get(number, number)})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--dir", help="folder of a network, running or stopped")
    where.add_argument("--rpc", help="JSON-RPC of a node")
    parser.add_argument("--archive", action="append", help="with --rpc: a validator's HTTP server; default: the one that the node names")
    parser.add_argument("--epoch", type=int, required=True)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    options = parser.parse_args()
    report = {"epoch": options.epoch, "ok": False}
    try:
        if options.dir:
            network = Network(sources.Folder(options.dir), None)
        else:
            ledger = Ledger(options.rpc)
            network = Network(sources.Http(options.archive or [ledger.archive()]), ledger)
        found, result = recompute(network, options.epoch)
        report |= {name: show(value) if isinstance(value, bytes) else value for name, value in result.items()}
        report |= {kind: len(found[kind]) for kind in found}
        compare(network, options.epoch, found, result)
        check_files(network)
        report["ok"] = True
    except (Different, OSError, RuntimeError, KeyError, ValueError) as error:
        report["difference"] = str(error) if not isinstance(error, KeyError) else f"{error} is missing"
    if options.json:
        print(json.dumps(report))
    elif report["ok"]:
        print(f"epoch {options.epoch}: {report['verdicts']} verdicts, {report['scores']} scores, {report['rewards']} rewards")
        print("verdict, score and reward roots and all files are those of the ledger")
    else:
        print(f"epoch {options.epoch} differs: {report['difference']}", file=sys.stderr)
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
