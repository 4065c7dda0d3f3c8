//! Money as integers: stones (the ledger's native token) and micro-dollars (the unit of credits and of every price).
//!
//! There is no float and no silent overflow; every conversion names its rounding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Base units of one STONE.
pub const STONE: u128 = 1_000_000_000_000_000_000;

/// An amount of STONE in base units of 1e-18. The hard cap, 1e27 base units, leaves 2^38 of headroom in a `u128`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stones(pub u128);

/// An amount of micro-dollars: 1 CREDIT = 1,000,000.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct MicroUsd(pub u64);

/// Arithmetic on money left its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("amount out of range in {operation}")]
pub struct AmountError {
    /// What was being computed.
    pub operation: &'static str,
}

/// `a * b / c`, rounded down, without overflow in between; `None` when `c` is 0 or the result exceeds a `u128`.
#[must_use]
#[inline]
pub fn mul_div_floor(a: u128, b: u128, c: u128) -> Option<u128> {
    use alloy_primitives::U256;
    if c == 0 {
        return None;
    }
    // Most products fit 128 bits: a tenth of the time.
    if let Some(product) = a.checked_mul(b) {
        return Some(product / c);
    }
    // 128 x 128 bits fit 256 bits, so the product cannot overflow.
    let quotient = U256::from(a).wrapping_mul(U256::from(b)) / U256::from(c);
    u128::try_from(quotient).ok()
}

#[expect(clippy::should_implement_trait, reason = "sums of money can fail; the operators' cannot")]
impl Stones {
    /// No stones.
    pub const ZERO: Self = Self(0);

    /// Sum, or an error above `u128`.
    ///
    /// # Errors
    /// On overflow.
    pub fn add(self, other: Self) -> Result<Self, AmountError> {
        self.0.checked_add(other.0).map(Self).ok_or(AmountError { operation: "stones addition" })
    }

    /// Difference, or an error below zero.
    ///
    /// # Errors
    /// When `other` is larger.
    pub fn sub(self, other: Self) -> Result<Self, AmountError> {
        self.0.checked_sub(other.0).map(Self).ok_or(AmountError { operation: "stones subtraction" })
    }

    /// What these stones are worth at `price` micro-dollars per STONE, rounded down.
    #[must_use]
    pub fn to_micro_usd_floor(self, price: MicroUsd) -> MicroUsd {
        let value = mul_div_floor(self.0, u128::from(price.0), STONE).unwrap_or(u128::MAX);
        MicroUsd(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

#[expect(clippy::should_implement_trait, reason = "sums of money can fail; the operators' cannot")]
impl MicroUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Sum, or an error above `u64`.
    ///
    /// # Errors
    /// On overflow.
    pub fn add(self, other: Self) -> Result<Self, AmountError> {
        self.0
            .checked_add(other.0)
            .map(Self)
            .ok_or(AmountError { operation: "micro-dollar addition" })
    }

    /// Difference, or an error below zero.
    ///
    /// # Errors
    /// When `other` is larger.
    pub fn sub(self, other: Self) -> Result<Self, AmountError> {
        self.0
            .checked_sub(other.0)
            .map(Self)
            .ok_or(AmountError { operation: "micro-dollar subtraction" })
    }

    /// The stones that cost this much at `price` micro-dollars per STONE, rounded down; zero at price zero.
    #[must_use]
    pub fn to_stones_floor(self, price: MicroUsd) -> Stones {
        Stones(mul_div_floor(u128::from(self.0), STONE, u128::from(price.0)).unwrap_or(0))
    }

    /// `parts` millionths of this amount, rounded down.
    #[must_use]
    pub fn ppm_floor(self, parts: u32) -> Self {
        let value = u128::from(self.0) * u128::from(parts) / 1_000_000;
        Self(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

/// Dollars with six decimals, as people and JSON read them: `1.250000`.
impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Stones with all the decimals that are not zero, at least one: `2.5`.
impl fmt::Display for Stones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:018}", self.0 % STONE);
        let shown = fraction.trim_end_matches('0');
        write!(f, "{}.{}", self.0 / STONE, if shown.is_empty() { "0" } else { shown })
    }
}
