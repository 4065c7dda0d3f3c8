//! Readings and leaves that contracts prove, and every way not to.

use alloy_primitives::{B256, Bytes};
use cairn_primitives::{
    MerkleTree, Stones, WEATHER,
    abi::{IKernel, REWARDS},
};

use super::*;
use crate::{
    fixture::{ALICE, Chain},
    native::scenario::{S, Verdicts, World},
};

fn claim(verdicts: &Verdicts, n: usize, row: u32, field: u8) -> IRewards::readingCall {
    let proof = verdicts.proof(n);
    IRewards::readingCall {
        epoch: 0,
        sector: S,
        envelope: verdicts.envelopes[n].bytes().to_vec().into(),
        row,
        field,
        index: proof.index,
        count: proof.count,
        proof: proof.siblings.iter().map(|sibling| sibling.0.into()).collect(),
    }
}

fn refused(chain: &Chain, call: &IRewards::readingCall) -> IRewards::BadProof {
    chain.revert(ALICE, REWARDS, Stones::ZERO, call)
}

#[test]
fn a_reading_of_an_accepted_batch_is_proven() {
    let mut world = World::new();
    let verdicts = Verdicts::new(&world, 0, &[1, 2, 3, 4, 5], &[3]);
    let early: IRewards::EpochNotFinal =
        world.chain.revert(ALICE, REWARDS, Stones::ZERO, &claim(&verdicts, 0, 0, 0));
    assert_eq!(early.epoch, 0);
    world.finish_with(verdicts.root());
    for n in [0, 1, 2, 4] {
        let batch = verdicts.envelopes[n].batch();
        for (row, field) in [(0, 0), (1, 6), (1, 1)] {
            let got = world.chain.call(ALICE, REWARDS, &claim(&verdicts, n, row, field));
            assert_eq!(got.device.0, batch.device.0);
            assert_eq!((got.stream, got.schema), (batch.stream.0, WEATHER.id.0));
            assert_eq!(got.seq, batch.first_seq.0 + u64::from(row));
            assert_eq!(got.timeMs, batch.time_of(row.try_into().unwrap()).0);
            let said = batch.rows.row(row.try_into().unwrap(), 7)[usize::from(field)];
            assert_eq!((got.measured, got.value), (said.is_some(), said.unwrap_or(0)));
        }
    }
    // The fourth batch was refused: its verdict is in the tree, but it says so.
    assert_eq!(refused(&world.chain, &claim(&verdicts, 3, 0, 0)).epoch, 0);
    let batch = &verdicts.envelopes[0];
    for (field, bad) in [("row", claim(&verdicts, 0, 2, 0)), ("field", claim(&verdicts, 0, 0, 7))] {
        let error: IKernel::OutOfRange = world.chain.revert(ALICE, REWARDS, Stones::ZERO, &bad);
        assert_eq!(error.field, field);
    }
    let with = |change: fn(&mut IRewards::readingCall)| {
        let mut call = claim(&verdicts, 0, 0, 0);
        change(&mut call);
        call
    };
    for bad in [
        with(|q| q.index = 1),
        with(|q| q.count = 2),
        with(|q| q.proof[0] = B256::ZERO),
        with(|q| q.proof.clear()),
        with(|q| q.proof.push(B256::ZERO)),
    ] {
        assert_eq!(refused(&world.chain, &bad).device.0, batch.batch().device.0);
    }
    let error: IKernel::OutOfRange =
        world.chain.revert(ALICE, REWARDS, Stones::ZERO, &with(|q| q.proof = vec![B256::ZERO; 33]));
    assert_eq!(error.field, "proof");
    // Another envelope under the same path, and bytes that are none.
    let mut other = claim(&verdicts, 0, 0, 0);
    other.envelope = verdicts.envelopes[1].bytes().to_vec().into();
    refused(&world.chain, &other);
    other.envelope = Bytes::from_static(b"\xd2\x84");
    let error: IRewards::BadEnvelope = world.chain.revert(ALICE, REWARDS, Stones::ZERO, &other);
    assert_eq!(error.code, Rejection::Malformed as u16);
    // An epoch later the same proof is worth nothing.
    world.finish_with(Digest([9; 32]));
    let mut later = claim(&verdicts, 0, 0, 0);
    later.epoch = 1;
    refused(&world.chain, &later);
}

#[test]
fn leaves_of_all_three_trees() {
    let mut world = World::new();
    let verdicts = Verdicts::new(&world, 0, &[1, 2, 3], &[1]);
    let computed = world.finish_with(verdicts.root());
    let ask = |tree, leaf: Vec<u8>, proof: MerkleProof| IRewards::isLeafCall {
        epoch: 0,
        sector: S,
        tree,
        leaf: leaf.into(),
        index: proof.index,
        count: proof.count,
        proof: proof.siblings.iter().map(|sibling| sibling.0.into()).collect(),
    };
    let holds = |call: &IRewards::isLeafCall| world.chain.call(ALICE, REWARDS, call);
    for n in 0..3 {
        let call = ask(VERDICTS, verdicts.leaves[n].to_bytes(), verdicts.proof(n));
        assert!(holds(&call), "also the verdict on a refused batch is a leaf");
        assert!(!holds(&IRewards::isLeafCall { tree: SCORES, ..call.clone() }));
        assert!(!holds(&IRewards::isLeafCall { tree: REWARD_LEAVES, ..call }));
        let reward = computed.split.rewards[n].encode().to_vec();
        let call = ask(REWARD_LEAVES, reward, computed.tree.proof(n).unwrap());
        assert!(holds(&call));
        assert!(!holds(&IRewards::isLeafCall { index: call.index ^ 1, ..call.clone() }));
        // Of three leaves the third moves up alone; a count of 4 must not show it at another place.
        assert!(!holds(&IRewards::isLeafCall { count: 4, ..call }));
    }
    let error: IKernel::OutOfRange =
        world.chain.revert(ALICE, REWARDS, Stones::ZERO, &ask(4, Vec::new(), verdicts.proof(0)));
    assert_eq!(error.field, "tree");
    // A node is no leaf, whatever path is given for it.
    let tree = MerkleTree::from_hashes(verdicts.leaves.iter().map(VerdictLeaf::hash).collect());
    let path = tree.proof(0).unwrap();
    let node = [verdicts.leaves[0].hash().0, verdicts.leaves[1].hash().0].concat();
    let shorter = MerkleProof { index: 0, count: 2, siblings: path.siblings[1..].to_vec() };
    assert!(!holds(&ask(VERDICTS, node, shorter)));
}
