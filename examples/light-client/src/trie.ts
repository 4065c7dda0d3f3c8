// Ethereum's Merkle-Patricia trie over a block's transactions or receipts: from a root to item number `index`.

import { big, equal, keccak, must, rlp, rlpBytes, rlpList } from "./bytes.js";

const wrong = "the header's trie root does not commit to the item";

function key(index: bigint): number[] {
  let size = 0;
  while (index >> BigInt(8 * size)) size++;
  const bytes = index < 0x80n && index > 0n ? [Number(index)] : [0x80 + size, ...(size ? big(index, size) : [])];
  return bytes.flatMap((byte) => [byte >> 4, byte & 15]);
}

/** The nibbles of a hex-prefix path, and whether it is a leaf's. */
function unpack(prefix: Uint8Array): { leaf: boolean; nibbles: number[] } {
  must(prefix.length > 0, wrong);
  const all = [...prefix].flatMap((byte) => [byte >> 4, byte & 15]);
  const [flag, pad] = [all[0]!, all[1]!];
  must(flag < 4 && (flag % 2 === 1 || pad === 0), wrong);
  return { leaf: flag >= 2, nibbles: all.slice(flag % 2 === 1 ? 1 : 2) };
}

/** The value; `nodes` are those on its path, the root's first, all used. */
export function trieValue(root: Uint8Array, index: bigint, nodes: Uint8Array[]): Uint8Array {
  let path = key(index);
  let used = 0;
  const named = (hash: Uint8Array): Uint8Array => {
    const node = nodes[used++];
    must(node !== undefined && equal(keccak(node), hash), wrong);
    return node;
  };
  const finish = (item: Uint8Array): Uint8Array => {
    const value = rlpBytes(item);
    must(used === nodes.length && value.length > 0, wrong);
    return value;
  };
  let node = named(root);
  for (;;) {
    const items = rlpList(node);
    let next: Uint8Array;
    if (items.length === 17) {
      if (path.length === 0) return finish(items[16]!);
      next = items[path.shift()!]!;
    } else {
      must(items.length === 2, wrong);
      const { leaf, nibbles } = unpack(rlpBytes(items[0]!));
      must(nibbles.every((nibble, at) => nibble === path[at]), wrong);
      path = path.slice(nibbles.length);
      if (leaf) {
        must(path.length === 0, wrong);
        return finish(items[1]!);
      }
      next = items[1]!;
    }
    // A node of 32 bytes and more is named by its hash; a shorter one stands in its parent.
    const item = rlp(next);
    if ("list" in item) {
      node = next;
    } else {
      must(item.bytes.length === 32, wrong);
      node = named(item.bytes);
    }
  }
}
