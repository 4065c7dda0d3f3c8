//! The randomness of epochs: drawn from the beacon's mix, for whatever must be sampled and may not be known or chosen before.
//!
//! ```text
//! turns    │◄── 64 ──►│◄── 64 ──►│       epoch e − 2 has ended at the block that passes the first boundary (or before)
//!      boundary 1  boundary 2             ─► the mix at boundary 2 gives the randomness of epoch e
//! ```
//! Boundaries are counted in turns, not in blocks or time: a leader that brings no block moves neither the boundary nor those
//! who lead before it, and when an epoch ends, which a leader can shift by seconds, the mix that will count is 64 turns away.
//! Docs: docs/spec/beacon.md; figures: docs/adr/0021-beacon.md.
//!
//! **Invariant:** what was drawn for an epoch never changes; epochs are drawn in order.

use alloy_primitives::{B256, U256};
use cairn_primitives::{Digest, abi::ECONOMY};

use super::{Ctx, Mapping, Packer, Res, Stored, Unpacker, Value};

/// Turns between two boundaries. Of 64 turns in a row at most 42 belong to the faulty third of 128 seats, so that every window has
/// turns of others; at 250 ms a turn it lasts 16 s.
pub(crate) const WINDOW_TURNS: u64 = 64;
/// Most epochs drawn at one boundary; what is left is drawn at the next. A replay whose epochs last less than a turn has a few
/// hundred.
const DRAWS_MAX: u64 = 1_024;
const DOMAIN: &[u8] = b"cairn/beacon/epoch/v1";

/// Slot 8 of ECONOMY.
const DRAWS: Value<Draws> = Value::new(ECONOMY, 8);
/// `mapping(uint64 epoch => bytes32)` at slot 9 of ECONOMY.
const RANDOMNESS: Mapping<u64, Value<B256>> = Mapping::new(ECONOMY, 9);

/// The windows behind: number of the running one 8 │ epoch in which it began 8 │ first epoch not drawn yet 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Draws {
    window: u64,
    began: u64,
    next: u64,
}

impl Stored for Draws {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.window).u64(self.began).u64(self.next).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { window: a.u64(), began: a.u64(), next: a.u64() }
    }
}

/// Before a block's transactions: when its turn is the first beyond a boundary, `mix` is that of all turns up to the boundary.
pub(crate) fn draw(c: &mut Ctx<'_>, turn: u64, mix: B256) -> Res<()> {
    let Draws { window, began, next } = DRAWS.get(c)?;
    let now = turn / WINDOW_TURNS;
    if now <= window {
        return Ok(());
    }
    // Epoch `began` had begun when the window began, so the one before it, two before the last drawn here, had ended.
    let end = began.saturating_add(2).min(next.saturating_add(DRAWS_MAX)).max(next);
    for epoch in next..end {
        let drawn = Digest::of(&[DOMAIN, mix.as_slice(), &epoch.to_be_bytes()]);
        RANDOMNESS.at(&epoch).set(c, &B256::from(drawn.0))?;
    }
    DRAWS.set(c, &Draws { window: now, began: c.epoch().0, next: end })
}

/// The randomness of an epoch; zero while it is not drawn.
///
/// # Errors
/// Out of gas, or disk trouble.
pub fn randomness(c: &mut Ctx<'_>, epoch: u64) -> Res<B256> {
    RANDOMNESS.at(&epoch).get(c)
}

#[cfg(test)]
mod tests;
