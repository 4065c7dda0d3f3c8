//! Ethereum's Merkle-Patricia trie over a block's transactions or receipts: from a root to one value.

use alloy_primitives::{B256, keccak256};
use alloy_rlp::{Encodable as _, Header as RlpHeader};
use alloy_trie::{HashBuilder, Nibbles, proof::ProofRetainer};

use super::LightError;

/// Longest path of a key: an index is at most five bytes of RLP, and no path is longer than a key.
const DEPTH_MAX: usize = 16;

/// The key of item `index`: its RLP.
#[must_use]
pub fn trie_key(index: u32) -> Vec<u8> {
    let mut out = Vec::new();
    index.encode(&mut out);
    out
}

/// The value of `key` in the trie with this root; `nodes` are those on its path, the root's first, all used.
///
/// # Errors
/// `Trie` when the nodes do not lead from the root to a value.
pub fn trie_value(root: &B256, key: &[u8], nodes: &[&[u8]]) -> Result<Vec<u8>, LightError> {
    walk(root, key, nodes).ok_or(LightError::Trie)
}

/// The nodes that lead from the root of the trie over `items` to number `index`; empty when there is no such item.
#[must_use]
pub fn trie_nodes<T: AsRef<[u8]>>(items: &[T], index: u32) -> Vec<Vec<u8>> {
    let mut keyed: Vec<(Nibbles, &[u8])> = (0_u32..)
        .zip(items)
        .map(|(at, item)| (Nibbles::unpack(trie_key(at)), item.as_ref()))
        .collect();
    keyed.sort_unstable_by_key(|(key, _)| *key);
    let target = Nibbles::unpack(trie_key(index));
    if keyed.iter().all(|(key, _)| *key != target) {
        return Vec::new();
    }
    let retainer = ProofRetainer::new(vec![target]);
    let mut trie = HashBuilder::default().with_proof_retainer(retainer);
    for (key, item) in keyed {
        trie.add_leaf(key, item);
    }
    trie.root();
    let nodes = trie.take_proof_nodes().matching_nodes_sorted(&target);
    nodes.into_iter().map(|(_, node)| node.to_vec()).collect()
}

fn walk(root: &B256, key: &[u8], nodes: &[&[u8]]) -> Option<Vec<u8>> {
    let nibbles: Vec<u8> = key.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect();
    let mut path = &nibbles[..];
    let mut nodes = nodes.iter().take(DEPTH_MAX);
    let mut node: Vec<u8> = nodes.next().filter(|node| keccak256(node) == *root)?.to_vec();
    let mut used = 1;
    loop {
        let items = list(&node)?;
        let next = match items.len() {
            17 => match path.split_first() {
                None => return finish(items[16], used, &nodes),
                Some((nibble, rest)) => {
                    path = rest;
                    items[usize::from(*nibble)]
                }
            },
            2 => {
                let (leaf, prefix) = unpack(string(items[0])?)?;
                path = path.strip_prefix(&prefix[..])?;
                if leaf {
                    return if path.is_empty() { finish(items[1], used, &nodes) } else { None };
                }
                items[1]
            }
            _ => return None,
        };
        // A node of 32 bytes and more is named by its hash; a shorter one stands in its parent.
        node = match string(next) {
            Some(hash) if hash.len() == 32 => {
                used += 1;
                nodes.next().filter(|node| keccak256(node)[..] == *hash)?.to_vec()
            }
            Some(_) => return None,
            None => next.to_vec(),
        };
    }
}

/// The value, when every node was used.
fn finish<'a>(
    item: &[u8],
    used: usize,
    rest: &(impl Iterator<Item = &'a &'a [u8]> + Clone),
) -> Option<Vec<u8>> {
    let value = string(item)?;
    (used <= DEPTH_MAX && rest.clone().next().is_none() && !value.is_empty())
        .then(|| value.to_vec())
}

/// The items of an RLP list, each with its header; nothing may follow the list.
fn list(node: &[u8]) -> Option<Vec<&[u8]>> {
    let mut rest = node;
    let header = RlpHeader::decode(&mut rest).ok().filter(|header| header.list)?;
    if header.payload_length != rest.len() {
        return None;
    }
    let mut items = Vec::new();
    while !rest.is_empty() && items.len() <= 17 {
        let mut after = rest;
        let header = RlpHeader::decode(&mut after).ok()?;
        let length = rest.len() - after.len() + header.payload_length;
        let (item, tail) = rest.split_at_checked(length)?;
        items.push(item);
        rest = tail;
    }
    Some(items)
}

/// The bytes of an RLP string item; `None` for a list.
fn string(item: &[u8]) -> Option<&[u8]> {
    let mut rest = item;
    let header = RlpHeader::decode(&mut rest).ok().filter(|header| !header.list)?;
    rest.get(..header.payload_length)
}

/// Whether a hex-prefix path is a leaf's, and its nibbles.
fn unpack(prefix: &[u8]) -> Option<(bool, Vec<u8>)> {
    let (first, rest) = prefix.split_first()?;
    let (leaf, odd) = (first >> 4 & 2 == 2, first >> 4 & 1 == 1);
    if first >> 6 != 0 || (!odd && first & 15 != 0) {
        return None;
    }
    let mut nibbles = Vec::new();
    if odd {
        nibbles.push(first & 15);
    }
    nibbles.extend(rest.iter().flat_map(|byte| [byte >> 4, byte & 15]));
    Some((leaf, nibbles))
}
