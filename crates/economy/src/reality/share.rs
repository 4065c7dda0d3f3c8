//! How concentrated a sum is: the Herfindahl index, the number of equal parts it stands for, the largest part, and how
//! few make half of it.

use std::collections::BTreeMap;

use alloy_primitives::Address;

use super::figure::{Absent, Measured, ppm, whole};
use crate::params::PPM;

/// Parts of a whole by account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    parts: BTreeMap<Address, u128>,
    sum: u128,
}

impl Shares {
    /// The parts of what each account paid or got; an account may come more than once.
    pub fn of(parts: impl IntoIterator<Item = (Address, u128)>) -> Self {
        let mut shares = Self::default();
        for (account, part) in parts {
            let entry = shares.parts.entry(account).or_default();
            *entry = entry.saturating_add(part);
            shares.sum = shares.sum.saturating_add(part);
        }
        shares.parts.retain(|_, part| *part > 0);
        shares
    }

    /// Accounts with a part.
    #[must_use]
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// Each part in millionths, rounded down.
    fn each(&self) -> impl Iterator<Item = u128> + '_ {
        self.parts.values().map(|part| part.saturating_mul(PPM.into()) / self.sum.max(1))
    }

    /// Σ share², millionths. Shares are rounded down first, so that many small ones count a little less.
    ///
    /// # Errors
    /// `absent` when there is nothing to share.
    pub fn hhi(&self, absent: Absent) -> Measured {
        if self.sum == 0 {
            return Err(absent);
        }
        let squares: u128 = self.each().map(|share| share * share).sum();
        Ok(whole(squares / u128::from(PPM)))
    }

    /// 1 / Σ share², thousandths: how many equal payers it is worth.
    ///
    /// # Errors
    /// `absent` when there is nothing to share.
    pub fn effective(&self, absent: Absent) -> Measured {
        if self.sum == 0 {
            return Err(absent);
        }
        let squares: u128 = self.each().map(|share| share * share).sum();
        let one = u128::from(PPM) * u128::from(PPM) * 1_000;
        Ok(whole(one.checked_div(squares).unwrap_or(u128::MAX)))
    }

    /// The largest part, millionths.
    ///
    /// # Errors
    /// `absent` when there is nothing to share.
    pub fn top(&self, absent: Absent) -> Measured {
        ppm(self.parts.values().copied().max().unwrap_or(0), self.sum, absent)
    }

    /// The least number of accounts that have half of it together.
    ///
    /// # Errors
    /// `absent` when there is nothing to share.
    pub fn half(&self, absent: Absent) -> Measured {
        if self.sum == 0 {
            return Err(absent);
        }
        let mut parts: Vec<u128> = self.parts.values().copied().collect();
        parts.sort_unstable_by(|a, b| b.cmp(a));
        let (mut held, mut count) = (0_u128, 0_i64);
        for part in parts {
            if held >= self.sum.div_ceil(2) {
                break;
            }
            held = held.saturating_add(part);
            count += 1;
        }
        Ok(count)
    }
}
