// Reading strangers' bytes: every length is bounded by what is left, and a value has one encoding.

import { sha256 } from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";

export { concatBytes as concat, utf8ToBytes as text };

export class Refused extends Error {}

/** Ends with the reason why a proof proves nothing, unless `holds`. */
export function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Refused(otherwise);
}

export const sha = (...parts: Uint8Array[]): Uint8Array => sha256(concatBytes(...parts));
export const keccak = (...parts: Uint8Array[]): Uint8Array => keccak_256(concatBytes(...parts));
export const hex = (bytes: Uint8Array): string => "0x" + bytesToHex(bytes);
export const equal = (a: Uint8Array, b: Uint8Array): boolean => bytesToHex(a) === bytesToHex(b);

export function unhex(value: string): Uint8Array {
  must(/^0x[0-9a-f]*$/.test(value) && value.length % 2 === 0, "not an even number of lower-case hex digits");
  return hexToBytes(value.slice(2));
}

/** `value` as `size` bytes, big-endian. */
export function big(value: bigint, size: number): Uint8Array {
  return hexToBytes(value.toString(16).padStart(2 * size, "0"));
}

export function integer(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt("0x" + bytesToHex(bytes));
}

export class Reader {
  at = 0;
  constructor(readonly all: Uint8Array) {}

  take(count: number): Uint8Array {
    must(count <= this.all.length - this.at, "cut off");
    this.at += count;
    return this.all.subarray(this.at - count, this.at);
  }

  byte(): number {
    return this.take(1)[0]!;
  }

  flag(): boolean {
    const byte = this.byte();
    must(byte <= 1, "a flag that is neither 0 nor 1");
    return byte === 1;
  }

  uint(size: number): bigint {
    return integer(this.take(size));
  }

  /** Unsigned LEB128 of at most 64 bits, in its shortest form. */
  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 64n; shift += 7n) {
      const byte = this.byte();
      must(!(byte === 0 && shift > 0n) && !(shift === 63n && byte > 1), "a varint not in its shortest form");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new Refused("a varint of more than 64 bits");
  }

  count(most: number): number {
    const count = this.varint();
    must(count <= BigInt(most), "a count beyond its limit");
    return Number(count);
  }

  bytes(most: number): Uint8Array {
    return this.take(this.count(most));
  }

  many<T>(count: number, one: () => T): T[] {
    return Array.from({ length: count }, one);
  }

  finish(): void {
    must(this.at === this.all.length, "bytes after its end");
  }
}

/** An RLP item: bytes, or a list of encoded items. */
export type Item = { bytes: Uint8Array } | { list: Uint8Array[] };

/** Splits the first item, in its one encoding, from what follows. */
function split(data: Uint8Array): { list: boolean; payload: Uint8Array; size: number } {
  must(data.length > 0, "RLP is cut off");
  const first = data[0]!;
  if (first < 0x80) return { list: false, payload: data.subarray(0, 1), size: 1 };
  const list = first >= 0xc0;
  const short = first - (list ? 0xc0 : 0x80);
  let [start, length] = [1, short];
  if (short > 55) {
    start = 1 + short - 55;
    must(short <= 59 && data.length >= start && data[1] !== 0, "RLP has a wrong length");
    length = Number(integer(data.subarray(1, start)));
    must(length > 55, "RLP has a length that is not in its shortest form");
  }
  const payload = data.subarray(start, start + length);
  must(payload.length === length, "RLP is cut off");
  must(list || length !== 1 || payload[0]! >= 0x80, "RLP of one byte is not in its shortest form");
  return { list, payload, size: start + length };
}

/** Decodes one item; nothing may follow it. */
export function rlp(data: Uint8Array): Item {
  const { list, payload, size } = split(data);
  must(size === data.length, "bytes after RLP");
  if (!list) return { bytes: payload };
  const items: Uint8Array[] = [];
  for (let rest = payload; rest.length > 0; ) {
    const { size } = split(rest);
    items.push(rest.subarray(0, size));
    rest = rest.subarray(size);
  }
  return { list: items };
}

export function rlpBytes(data: Uint8Array): Uint8Array {
  const item = rlp(data);
  must("bytes" in item, "RLP has a list where bytes belong");
  return item.bytes;
}

export function rlpList(data: Uint8Array): Uint8Array[] {
  const item = rlp(data);
  must("list" in item, "RLP has bytes where a list belongs");
  return item.list;
}

export function rlpInteger(data: Uint8Array): bigint {
  const bytes = rlpBytes(data);
  must(bytes[0] !== 0, "RLP has an integer with leading zeros");
  return integer(bytes);
}
