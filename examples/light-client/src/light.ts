// A light proof: its bytes, what they prove, and the JSON object around them (docs/spec/proofs.md).

import { Reader, big, equal, hex, integer, keccak, must, rlpBytes, rlpInteger, rlpList, sha, text, unhex } from "./bytes.js";
import { type Header, type Trust, checkCertificate, header, learn, setsOf } from "./certificate.js";
import { checkState } from "./state.js";
import { trieValue } from "./trie.js";

export { Refused } from "./bytes.js";
export type { Trust } from "./certificate.js";

const PROOF_BYTES_MAX = 4 << 20;
const STATE_BYTES_MAX = 128 * 32 + 256;
const ANCESTORS_MAX = 64;
const HANDOVERS_MAX = 1024;
const NODES_MAX = 16;
const LEVELS_MAX = 32;

const BATCHES = unhex("0xca14000000000000000000000000000000000003");
const REWARDS = unhex("0xca14000000000000000000000000000000000004");

export type Claim = { kind: string; [field: string]: unknown };

export interface Proven {
  block: { number: number; hash: string; timeMs: number };
  certified: number;
  claim: Claim;
}

/** The trust that a genesis file stands for. */
export function trustOf(genesis: Uint8Array): Trust {
  const keys = new TextDecoder().decode(genesis).matchAll(/^\s*consensus_key\s*=\s*"(0x[0-9a-fA-F]{64})"/gm);
  return {
    genesis: hex(sha(text("cairn/genesis/v1"), genesis)),
    validators: [...keys].map((found) => found[1]!.toLowerCase()),
  };
}

/** Checks a proof object; returns what it proves, or throws `Refused`. */
export function checkObject(object: unknown, trust: Trust): Proven {
  const proof = (object as { proof?: unknown } | null)?.proof;
  must(typeof proof === "string", "the object has no proof");
  const proven = verify(unhex(proof), trust);
  must(canonical(object) === canonical({ ...proven, proof }), "the object's claim is not what its bytes prove");
  return proven;
}

/** JSON with the keys of every object in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** Checks a proof's bytes. */
export function verify(bytes: Uint8Array, trust: Trust): Proven {
  must(bytes.length <= PROOF_BYTES_MAX, "more bytes than a proof may have");
  const reader = new Reader(bytes);
  must(reader.byte() === 2, "an unknown version");
  const kind = reader.byte();
  const sets = setsOf(trust);
  for (const handover of list(reader, HANDOVERS_MAX)) learn(handover, trust.genesis, sets);
  const { header: certified } = checkCertificate(reader.bytes(PROOF_BYTES_MAX), trust.genesis, sets);
  let proven = certified;
  for (const rlp of list(reader, ANCESTORS_MAX).reverse()) {
    must(equal(keccak(rlp), proven.parentHash), "the headers do not lead to the certified block");
    proven = header(rlp);
  }
  const claim = evidence(kind, reader, proven);
  reader.finish();
  return {
    block: { number: Number(proven.number), hash: hex(proven.hash), timeMs: Number(proven.timeMs) },
    certified: Number(certified.number),
    claim,
  };
}

const list = (reader: Reader, most: number): Uint8Array[] =>
  reader.many(reader.count(most), () => reader.bytes(PROOF_BYTES_MAX));
const state = (reader: Reader): Uint8Array => reader.bytes(STATE_BYTES_MAX);

function number(reader: Reader): bigint {
  const value = reader.varint();
  must(value < 1n << 32n, "a number beyond 32 bits");
  return value;
}

function evidence(kind: number, reader: Reader, block: Header): Claim {
  switch (kind) {
    case 1: {
      const [address, nonce, balance, codeHash] = [reader.take(20), reader.uint(8), reader.uint(32), reader.take(32)];
      checkState(block.stateRoot, { address, nonce, balance, codeHash }, state(reader));
      return { kind: "account", address: hex(address), nonce: `${nonce}`, balance: `${balance}`, codeHash: hex(codeHash) };
    }
    case 2: {
      const [address, slot, value] = [reader.take(20), reader.take(32), reader.take(32)];
      checkState(block.stateRoot, { address, slot: integer(slot), value: integer(value) }, state(reader));
      return { kind: "slot", address: hex(address), slot: hex(slot), value: hex(value) };
    }
    case 3: {
      const index = number(reader);
      const transaction = keccak(trieValue(block.transactionsRoot, index, list(reader, NODES_MAX)));
      const { success, gas, logs } = receipt(trieValue(block.receiptsRoot, index, list(reader, NODES_MAX)));
      return { kind: "receipt", transaction: hex(transaction), index: Number(index), success, cumulativeGasUsed: `${gas}`, logs };
    }
    case 4: {
      const [index, position] = [number(reader), number(reader)];
      const log = receipt(trieValue(block.receiptsRoot, index, list(reader, NODES_MAX))).logs[Number(position)];
      must(log !== undefined, "the receipt has no such log");
      return { kind: "log", index: Number(index), position: Number(position), log };
    }
    case 5:
      return reward(reader, block);
    case 6:
      return batch(reader, block);
    default:
      must(false, "an unknown kind");
  }
}

interface Log {
  address: string;
  topics: string[];
  data: string;
}

function receipt(bytes: Uint8Array): { success: boolean; gas: bigint; logs: Log[] } {
  const typed = bytes[0]! < 0x80;
  must(!typed || (bytes[0]! >= 1 && bytes[0]! <= 4), "an unknown type of receipt");
  const items = rlpList(typed ? bytes.subarray(1) : bytes);
  must(items.length === 4, "a receipt of another shape");
  const status = rlpInteger(items[0]!);
  must(status <= 1n && rlpBytes(items[2]!).length === 256, "a receipt of another shape");
  const logs = rlpList(items[3]!).map((item) => {
    const fields = rlpList(item);
    must(fields.length === 3, "a log of another shape");
    const topics = rlpList(fields[1]!).map(rlpBytes);
    const address = rlpBytes(fields[0]!);
    must(address.length === 20 && topics.every((topic) => topic.length === 32), "a log of another shape");
    return { address: hex(address), topics: topics.map(hex), data: hex(rlpBytes(fields[2]!)) };
  });
  return { success: status === 1n, gas: rlpInteger(items[1]!), logs };
}

/** The root above a leaf hash (docs/spec/merkle.md). */
function pathRoot(reader: Reader, leaf: Uint8Array): Uint8Array {
  let hash = leaf;
  for (let levels = reader.count(LEVELS_MAX); levels > 0; levels--) {
    const right = reader.flag();
    const sibling = reader.take(32);
    hash = right ? sha(Uint8Array.of(1), hash, sibling) : sha(Uint8Array.of(1), sibling, hash);
  }
  return hash;
}

/** Where `mapping(epoch => mapping(sector => …))` at `slot` has its entry. */
function perEpoch(slot: bigint, epoch: bigint, sector: bigint): bigint {
  const inner = keccak(big(epoch, 32), big(slot, 32));
  return integer(keccak(big(sector, 32), inner));
}

const next = (slot: bigint, by: bigint): bigint => (slot + by) % (1n << 256n);

function reward(reader: Reader, block: Header): Claim {
  const leaf = reader.take(93);
  const root = pathRoot(reader, sha(Uint8Array.of(0), leaf));
  const fields = new Reader(leaf);
  const [epoch, sector] = [fields.uint(8), fields.byte()];
  const slot = next(perEpoch(1n, epoch, BigInt(sector)), 2n);
  checkState(block.stateRoot, { address: REWARDS, slot, value: integer(root) }, state(reader));
  const [device, owner] = [fields.take(16), fields.take(20)];
  const [earned, earnedStones] = [fields.uint(8), fields.uint(16)];
  const [subsidy, subsidyStones] = [fields.uint(8), fields.uint(16)];
  return {
    kind: "reward",
    epoch: Number(epoch),
    sector,
    device: hex(device),
    owner: hex(owner),
    earned: `${earned}`,
    earnedStones: `${earnedStones}`,
    subsidy: `${subsidy}`,
    subsidyStones: `${subsidyStones}`,
  };
}

function batch(reader: Reader, block: Header): Claim {
  const epoch = reader.varint();
  const [sector, commitment, leaf] = [reader.byte(), reader.byte(), reader.take(32)];
  const root = pathRoot(reader, leaf);
  const holds = (slot: bigint, value: bigint): void =>
    checkState(block.stateRoot, { address: BATCHES, slot, value }, state(reader));
  const commitments = integer(keccak(big(perEpoch(0n, epoch, BigInt(sector)), 32)));
  holds(next(commitments, 3n * BigInt(commitment) + 1n), integer(root));
  const roundSlot = perEpoch(2n, epoch, BigInt(sector));
  const round = reader.uint(32);
  holds(roundSlot, round);
  const included = reader.uint(32);
  holds(next(roundSlot, 1n), included);
  const frozen = ((round >> 32n) & 0xffn) === 1n;
  must(frozen && ((included >> BigInt(commitment)) & 1n) === 1n, "the commitment is not in the epoch's frozen set");
  return { kind: "batch", epoch: Number(epoch), sector, commitment, leaf: hex(leaf) };
}
