// From the validators' signatures to an Ethereum header (docs/spec/finality.md, consensus.md §2).

import { ed25519 } from "@noble/curves/ed25519.js";

import { Reader, concat, equal, hex, integer, keccak, must, rlpBytes, rlpInteger, rlpList, sha, text, unhex } from "./bytes.js";

const VALIDATORS_MAX = 128;
const HEADER_BYTES_MAX = 2048;

/** What a reader knows beforehand: the genesis hash and the Ed25519 keys, in any order, of genesis' validators or of those of a later term. */
export interface Trust {
  genesis: string;
  validators: string[];
  /** The term of the validators; without it they are those of genesis, for terms 0 and 1. */
  term?: number;
}

/** The validators that are known by term. */
export type Sets = Map<bigint, string[]>;

export function setsOf(trust: Trust): Sets {
  const terms = trust.term === undefined ? [0n, 1n] : [BigInt(trust.term)];
  return new Map(terms.map((term) => [term, trust.validators]));
}

export interface Header {
  hash: Uint8Array;
  parentHash: Uint8Array;
  stateRoot: Uint8Array;
  transactionsRoot: Uint8Array;
  receiptsRoot: Uint8Array;
  number: bigint;
  timeMs: bigint;
}

export function header(bytes: Uint8Array): Header {
  const items = rlpList(bytes);
  must(items.length >= 16, "a header of too few fields");
  const hash = (at: number): Uint8Array => {
    const value = rlpBytes(items[at]!);
    must(value.length === 32, "a header with a hash of another length");
    return value;
  };
  const time = rlpBytes(items[12]!);
  const timeMs = integer(time);
  must(time.length === 8 && timeMs / 1000n === rlpInteger(items[11]!), "a header without its time");
  return {
    hash: keccak(bytes),
    parentHash: hash(0),
    stateRoot: hash(3),
    transactionsRoot: hash(4),
    receiptsRoot: hash(5),
    number: rlpInteger(items[8]!),
    timeMs,
  };
}

interface Preamble {
  term: bigint;
  /** The next term's validators, where the block is the last of a term. */
  next: string[];
  header: Header;
}

/** Reads a block without its body. */
function preamble(reader: Reader): Preamble {
  const term = reader.varint();
  reader.varint(); // view
  must(ed25519.utils.isValidPublicKey(reader.take(32), true), "the leader is no key");
  reader.varint(); // parent view
  reader.take(64); // parent digest, twice
  reader.varint(); // height
  reader.take(32); // log root
  const [start, end] = [reader.varint(), reader.varint()];
  must(start < end && end <= 1n << 62n, "the log range is empty");
  const next = reader.many(reader.count(VALIDATORS_MAX), () => reader.take(32));
  must(next.every((key) => ed25519.utils.isValidPublicKey(key, true)), "a next validator's key is no key");
  const keys = next.map(hex);
  must(keys.every((key, at) => at === 0 || keys[at - 1]! < key), "the next validators do not ascend");
  reader.take(80); // reveal
  return { term, next: keys, header: header(reader.bytes(HEADER_BYTES_MAX)) };
}

/** A term's validators' keys in the order of their numbers. */
function validators(sets: Sets, term: bigint): Uint8Array[] {
  const known = sets.get(term);
  must(known !== undefined, `the validators of term ${term} are not known`);
  const sorted = [...known].sort();
  must(
    sorted.length >= 1 && sorted.length <= VALIDATORS_MAX && new Set(sorted).size === sorted.length,
    "the validators are not 1 to 128 distinct keys",
  );
  return sorted.map((key) => {
    const bytes = unhex(key);
    must(ed25519.utils.isValidPublicKey(bytes, true), "a validator's key is no key");
    return bytes;
  });
}

/** What the certificate makes final. */
export function checkCertificate(bytes: Uint8Array, genesis: string, sets: Sets): Preamble {
  const reader = new Reader(bytes);
  const certified = preamble(reader);
  const ofPreamble = bytes.subarray(0, reader.at);
  const body = reader.take(32);
  const voted = reader.at;
  const term = reader.varint();
  reader.many(2, () => reader.varint()); // view, parent view
  const digest = reader.take(32);
  const vote = bytes.subarray(voted, reader.at);
  const n = reader.uint(8);
  must(n <= BigInt(VALIDATORS_MAX), "a certificate of too many validators");
  const bitmap = reader.take(Math.ceil(Number(n) / 8));
  const signers = [...Array(bitmap.length * 8).keys()].filter((seat) => (bitmap[seat >> 3]! >> (seat & 7)) & 1);
  must(signers.every((seat) => BigInt(seat) < n), "a signer beyond the validators");
  must(reader.count(VALIDATORS_MAX) === signers.length, "another number of signatures than of signers");
  const signatures = signers.map(() => reader.take(64));
  reader.finish();

  const about = term === certified.term && equal(digest, sha(text("cairn/block/v1"), ofPreamble, body));
  must(about, "the certificate is about another block");
  const keys = validators(sets, term);
  const quorum = keys.length - Math.floor((keys.length - 1) / 3);
  must(Number(n) === keys.length && signers.length >= quorum, "too few validators signed");
  const domain = concat(text("cairn/consensus/v1/"), unhex(genesis), text("_FINALIZE"));
  const message = concat(Uint8Array.of(domain.length), domain, vote); // the domain is shorter than 128 bytes
  signers.forEach((seat, at) => {
    const valid = ed25519.verify(signatures[at]!, message, keys[seat]!, { zip215: true });
    must(valid, `the signature of validator ${seat} is wrong`);
  });
  return certified;
}

/** Learns the next term's validators from the certificate of a block that ends a term. */
export function learn(bytes: Uint8Array, genesis: string, sets: Sets): void {
  const { term, next } = checkCertificate(bytes, genesis, sets);
  must(next.length > 0, "the block names no validators of a next term");
  if (!sets.has(term + 1n)) sets.set(term + 1n, next);
}
