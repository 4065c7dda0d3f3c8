//! What the treasury paid in the last 30 days, to the millisecond, however many payments there were.
//!
//! Each payment is stored with the sum of all before it, so that a window is a difference of two sums: a search in halves
//! finds where it begins. A fixed window would pay twice at its border.

use alloy_primitives::U256;
use cairn_economy::TREASURY_DAYS;
use cairn_primitives::{EpochSchedule, Stones, TimeMs, abi::TREASURY};

use crate::native::{Ctx, List, Packer, Res, Stored, Unpacker};

/// Length of the window.
const WINDOW_MS: u64 = TREASURY_DAYS * EpochSchedule::DAY_MS;

/// Slot 3: in order of time.
const PAYMENTS: List<Payment> = List::new(TREASURY, 3);

/// time 8 │ paid by then, this payment with it 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Payment {
    time: TimeMs,
    total: Stones,
}

impl Stored for Payment {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.time.0).u128(self.total.0).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { time: TimeMs(a.u64()), total: Stones(a.u128()) }
    }
}

/// Paid since genesis.
pub(super) fn total(c: &mut Ctx<'_>) -> Res<Stones> {
    match PAYMENTS.len(c)?.checked_sub(1) {
        Some(last) => Ok(PAYMENTS.at(last).get(c)?.total),
        None => Ok(Stones::ZERO),
    }
}

/// Paid in the last 30 days.
pub(super) fn spent(c: &mut Ctx<'_>) -> Res<Stones> {
    let now = c.now().0;
    let (mut low, mut high) = (0, PAYMENTS.len(c)?);
    let mut before = Stones::ZERO;
    while low < high {
        let middle = low + (high - low) / 2;
        let payment = PAYMENTS.at(middle).get(c)?;
        if now.saturating_sub(payment.time.0) >= WINDOW_MS {
            (low, before) = (middle + 1, payment.total);
        } else {
            high = middle;
        }
    }
    Ok(Stones(total(c)?.0.saturating_sub(before.0)))
}

/// Adds a payment.
pub(super) fn count(c: &mut Ctx<'_>, stones: Stones) -> Res<()> {
    let total = Stones(total(c)?.0.saturating_add(stones.0));
    PAYMENTS.push(c, &Payment { time: c.now(), total })?;
    Ok(())
}
