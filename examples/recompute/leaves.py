"""Leaves and trees: docs/spec/leaves.md, docs/spec/rewards.md section 3, docs/spec/merkle.md."""

import hashlib

import cbor2

SENSING = 1


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(content):
    return sha256(b"\x00", content)


def merkle_root(hashes):
    level = list(hashes)
    if not level:
        return bytes(32)
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [sha256(b"\x01", *pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0]


def verdict_leaf(epoch, batch, rejection):
    return cbor2.dumps(
        [1, SENSING, epoch, batch.leaf, batch.device, batch.stream, batch.first_seq, len(batch.rows), rejection],
        canonical=True,
    )


def score_leaf(epoch, leaf):
    id, a, n, d, place, score, rejection, detail = leaf
    detail = None if detail is None else list(detail)
    return cbor2.dumps([2, SENSING, epoch, id, a, n, d, place, score, rejection, detail], canonical=True)


def reward_leaf(epoch, reward):
    number = lambda value, size: value.to_bytes(size, "big")
    return b"".join(
        [
            number(epoch, 8),
            number(SENSING, 1),
            reward["device"],
            reward["owner"],
            number(reward["earned"], 8),
            number(reward["earned_stones"], 16),
            number(reward["subsidy"], 8),
            number(reward["subsidy_stones"], 16),
        ]
    )
