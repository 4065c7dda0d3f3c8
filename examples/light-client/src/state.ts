// The state tree: an operation of its log, live, under a header's stateRoot (docs/spec/state-root.md).
//
// Only what a proof of one operation needs: the mountain of the operation is rebuilt from its siblings; the other mountains
// come as digests, those before it that are inactive and those after it that are active folded into one digest each.

import { Reader, big, concat, equal, must, sha, text } from "./bytes.js";

const DIGESTS_MAX = 128;
/** A chunk of the bitmap has 32 bytes: a bit for each of 2^8 operations. */
const CHUNK_HEIGHT = 8n;
const UPDATE = Uint8Array.of(0xd2);
/** The tree is a Merkle mountain range, its active mountains are folded backward. */
const ROOT_DOMAIN = Uint8Array.of(0, 1);

export type Entry =
  | { address: Uint8Array; nonce: bigint; balance: bigint; codeHash: Uint8Array }
  | { address: Uint8Array; slot: bigint; value: bigint };

function operation(entry: Entry): Uint8Array {
  if ("slot" in entry) {
    const key = sha(text("cairn/state/slot/v1"), entry.address, big(entry.slot, 32));
    return concat(UPDATE, key, sha(big(entry.value, 32)));
  }
  const value = sha(big(entry.nonce, 8), big(entry.balance, 32), entry.codeHash);
  return concat(UPDATE, sha(text("cairn/state/account/v1"), entry.address), value);
}

const ones = (value: bigint): bigint => BigInt(value.toString(2).replaceAll("0", "").length);

/** Number of the node over 2^height operations from `first` on, in the order in which nodes come to be. */
const position = (first: bigint, height: bigint): Uint8Array =>
  big(2n * first - ones(first) + (1n << (height + 1n)) - 2n, 8);

/** The perfect trees over `leaves` operations, the largest first. */
function mountains(leaves: bigint): { first: bigint; height: bigint }[] {
  const out = [];
  let first = 0n;
  for (let height = 63n; height >= 0n; height--) {
    if (((leaves >> height) & 1n) === 0n) continue;
    out.push({ first, height });
    first += 1n << height;
  }
  return out;
}

/** Ends with an error unless `proof` shows that `entry` is in the tree under `root`. */
export function checkState(root: Uint8Array, entry: Entry, proof: Uint8Array): void {
  const reader = new Reader(proof);
  const location = reader.varint();
  const chunk = reader.take(32);
  const [leaves, inactive] = [reader.varint(), reader.varint()];
  const digests = reader.many(reader.count(DIGESTS_MAX), () => reader.take(32));
  const partial = reader.flag() ? reader.take(32) : undefined;
  const logRoot = reader.take(32);
  reader.finish();

  const wrong = "the state root does not commit to the value";
  must(leaves <= 1n << 62n && location < leaves, "a location beyond the log");
  const [bit, tail] = [Number(location % 256n), leaves % 256n];
  must(((chunk[bit >> 3]! >> (bit & 7)) & 1) === 1 && (partial !== undefined) === (tail !== 0n), wrong);
  // The last chunk is not full: it is hashed beside the tree and not into it.
  const inTail = location >> CHUNK_HEIGHT === leaves >> CHUNK_HEIGHT;
  must(!inTail || (partial !== undefined && equal(partial, sha(chunk))), wrong);

  const all = mountains(leaves);
  const own = all.findIndex(({ first, height }) => location - first < 1n << height);
  must(inactive <= BigInt(all.length), wrong);
  // Which mountains are listed one by one: active ones before the operation's own, inactive ones after it.
  const folded = Math.min(Number(inactive), own);
  const after = all.length - own - 1;
  const listedAfter = Math.max(0, Number(inactive) - own - 1);
  const before = (folded > 0 ? 1 : 0) + own - folded;
  const others = before + listedAfter + (after > listedAfter ? 1 : 0);
  const { first, height } = all[own]!;
  must(digests.length === others + Number(height), wrong);

  // Siblings: those left of the path from the top down, then those right of it from the bottom up.
  const within = location - first;
  const left = digests.slice(others, others + Number(ones(within)));
  const right = digests.slice(others + Number(ones(within)));
  let hash = sha(position(location, 0n), operation(entry));
  for (let level = 1n; level <= height; level++) {
    const at = position((location >> level) << level, level);
    hash = (within >> (level - 1n)) & 1n ? sha(at, left.pop()!, hash) : sha(at, hash, right.shift()!);
    if (level === CHUNK_HEIGHT) hash = sha(chunk, hash);
  }

  const peaks = [...digests.slice(0, before), hash, ...digests.slice(before, others)];
  // The mountains that the prover folded count as one.
  const forward = Math.max(1, folded > 0 ? Number(inactive) - folded + 1 : Number(inactive));
  must(forward <= peaks.length, wrong);
  let peak = peaks.slice(0, forward).reduce((acc, next) => sha(acc, next));
  if (forward < peaks.length) peak = sha(peak, peaks.slice(forward).reduceRight((acc, next) => sha(next, acc)));
  const counted = inactive === 0n ? [] : [big(inactive, 8)];
  const grafted = sha(ROOT_DOMAIN, big(leaves, 8), ...counted, peak);
  const found = partial ? sha(logRoot, grafted, big(tail, 8), partial) : sha(logRoot, grafted);
  must(equal(found, root), wrong);
}
