//! The randomness beacon: every leader's block reveals the one number that its key has for its turn, and all are mixed.
//!
//! ```text
//! reveal of block h = VRF(leader's key; genesis, term, view)     mix after h = SHA-256(mix before h ‖ output of the reveal)
//! mixHash (PREVRANDAO) of block h + 1 = mix after h              nonce of block h = leaders' turns up to h
//! ```
//! A leader can choose neither the input, which the round fixes, nor the output: all that is left to it is to bring no block.
//! What that is worth is computed in `bias.rs` and told in docs/adr/0021-beacon.md. The bytes are in docs/spec/beacon.md.
//!
//! Invariant: mix and turn of a block follow from its parent and its round, so that every validator has the same.

mod vrf;

use alloy_primitives::B256;
use cairn_ledger::{Env, turn_of};
use cairn_primitives::Digest;
use commonware_codec::{Buf, Error as CodecError, FixedSize, Read, ReadExt as _, Write};
use commonware_consensus::types::Round;
#[cfg(test)]
use commonware_cryptography::ed25519;
use commonware_cryptography::{Hasher as _, Sha256};
use commonware_runtime::BufMut;

use crate::block::{BlockContext, Preamble};

const ALPHA_DOMAIN: &[u8] = b"cairn/beacon/v1";
const ORDER_DOMAIN: &[u8] = b"cairn/beacon/order/v1";

/// What a leader's key has for its turn, with its proof (RFC 9381).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reveal([u8; vrf::PROOF_BYTES]);

impl Reveal {
    /// That of block 0, which nobody led.
    pub const NONE: Self = Self([0; vrf::PROOF_BYTES]);
}

impl FixedSize for Reveal {
    const SIZE: usize = vrf::PROOF_BYTES;
}

impl Write for Reveal {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.write(buf);
    }
}

impl Read for Reveal {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self(<[u8; vrf::PROOF_BYTES]>::read(buf)?))
    }
}

impl Reveal {
    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; vrf::PROOF_BYTES] {
        self.0
    }

    /// A reveal of these bytes, which nobody has checked.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; vrf::PROOF_BYTES]) -> Self {
        Self(bytes)
    }
}

/// What the leader of a round reveals: nothing in it follows from anything that a leader chooses.
fn alpha(genesis: &Digest, round: Round) -> Vec<u8> {
    let (term, view) = (round.epoch().get(), round.view().get());
    [ALPHA_DOMAIN, genesis.as_bytes(), &term.to_be_bytes(), &view.to_be_bytes()].concat()
}

/// What the holder of the key of this seed reveals as the leader of a round.
pub(crate) fn prove(seed: &[u8; 32], genesis: &Digest, round: Round) -> Reveal {
    Reveal(vrf::prove(seed, &alpha(genesis, round)))
}

/// The beacon of one network.
#[derive(Clone, Debug)]
pub(crate) struct Beacon {
    genesis: Digest,
}

impl Beacon {
    pub(crate) const fn new(genesis: Digest) -> Self {
        Self { genesis }
    }

    /// What the holder of `key` reveals as the leader of a round.
    #[cfg(test)]
    pub(crate) fn reveal(&self, key: &ed25519::PrivateKey, round: Round) -> Reveal {
        let key = crate::signer::Key::local(key.clone(), self.genesis);
        key.reveal(round).expect("a key in this process")
    }

    /// Whether a block's reveal is its leader's for its round.
    pub(crate) fn check(&self, preamble: &Preamble) -> bool {
        let BlockContext { leader, round, .. } = &preamble.context;
        let Ok(key) = leader.as_ref().try_into() else { return false };
        vrf::verify(key, &alpha(&self.genesis, *round), &preamble.reveal.0).is_some()
    }
}

/// The mix after an accepted block; that of block 0 is in its own header. `None` of a block that was never accepted.
pub(crate) fn mix_after(block: &Preamble) -> Option<B256> {
    let mix = block.header.mix_hash;
    if block.height.get() == 0 {
        return Some(mix);
    }
    let output = vrf::output(&block.reveal.0)?;
    Some(B256::from(Sha256::hash(&[mix.as_slice(), &output]).0))
}

/// `env` of the block of a round on an accepted parent, with its mix and its turn; `None` when the round is not after the
/// parent's.
pub(crate) fn env_after(parent: &Preamble, context: &BlockContext, env: Env) -> Option<Env> {
    let turns = context.round.view().get().checked_sub(context.parent.0.get())?;
    let turn = turn_of(&parent.header).saturating_add(turns);
    (turns > 0).then_some(Env { prevrandao: mix_after(parent)?, turn, ..env })
}

/// What shuffles the leaders of the term that begins after an accepted block. Seats are ordered by keys, and keys can be tried
/// until they are neighbours; neighbours in this order are chance.
pub(crate) fn order_seed(last: &Preamble) -> Option<B256> {
    let mix = mix_after(last)?;
    Some(B256::from(Sha256::hash(&[ORDER_DOMAIN, mix.as_slice()]).0))
}

#[cfg(test)]
mod bias;
#[cfg(test)]
mod tests;
