//! Stake in pools, what a seat earns, and what a slash takes: integers that add up, rounded against whoever could gain.
//!
//! ```text
//! fees ─► split: operator (own bond's part and commission) │ delegators (their pool grows, every share is worth more)
//! slash ─► takes the same part of bond, pool and unbonding pool ─► pending ─► burned │ reporter │ insurance
//! ```
//! A pool has stones and shares. Shares are bought and sold at `stones / shares`, so that neither income nor a slash has to
//! visit its owners.

use cairn_primitives::{STONE, Stones, mul_div_floor};

/// One, in millionths.
const PPM: u128 = 1_000_000;
/// Part of a slash that is burned, ppm: as for devices (docs/spec/registry.md).
pub const SLASH_BURNED_PPM: u32 = 700_000;
/// Part of a seat's bond that a reporter gets at most, ppm: enough to pay for looking, too little to slash oneself for.
pub const REPORTER_PPM_MAX: u32 = 20_000;
/// The least that is delegated, and left in a delegation: with fewer shares in a pool, rounding would be worth something.
pub const DELEGATION_MIN: Stones = Stones(STONE);

/// `ppm` millionths of an amount, rounded down.
#[must_use]
pub fn part(amount: Stones, ppm: u32) -> Stones {
    Stones(mul_div_floor(amount.0, u128::from(ppm), PPM).unwrap_or(amount.0))
}

/// Stones that several own in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StakePool {
    /// What it holds.
    pub stones: Stones,
    /// Parts that it is divided into.
    pub shares: u128,
}

impl StakePool {
    /// What `shares` are worth, rounded down.
    #[must_use]
    pub fn value(&self, shares: u128) -> Stones {
        Stones(mul_div_floor(self.stones.0, shares, self.shares).unwrap_or(0))
    }

    /// Adds stones and returns the shares that they buy, rounded down; none when the pool's shares are worth nothing.
    pub fn join(&mut self, stones: Stones) -> Option<u128> {
        let bought = match self.shares {
            0 => stones.0,
            shares => mul_div_floor(stones.0, shares, self.stones.0)?,
        };
        self.stones = self.stones.add(stones).ok()?;
        self.shares = self.shares.checked_add(bought)?;
        Some(bought)
    }

    /// The shares that must be sold for `stones`, rounded up.
    #[must_use]
    pub fn price(&self, stones: Stones) -> Option<u128> {
        let floor = mul_div_floor(stones.0, self.shares, self.stones.0)?;
        if self.value(floor) < stones { floor.checked_add(1) } else { Some(floor) }
    }

    /// Takes shares out and returns their value; none when there are not so many. The last share takes what is left.
    pub fn leave(&mut self, shares: u128) -> Option<Stones> {
        let left = self.shares.checked_sub(shares)?;
        let value = if left == 0 { self.stones } else { self.value(shares) };
        self.stones = self.stones.sub(value).ok()?;
        self.shares = left;
        Some(value)
    }

    /// Takes `ppm` of the stones from all owners alike, and returns them.
    pub fn slash(&mut self, ppm: u32) -> Stones {
        let taken = part(self.stones, ppm);
        self.stones = Stones(self.stones.0.saturating_sub(taken.0));
        taken
    }
}

/// Income of a seat: what its operator gets and what its delegators get. They add up to `income`.
#[must_use]
pub fn split_income(
    income: Stones,
    bond: Stones,
    delegated: Stones,
    commission_ppm: u32,
) -> (Stones, Stones) {
    let all = bond.0.saturating_add(delegated.0);
    let theirs = mul_div_floor(income.0, delegated.0, all).unwrap_or(0);
    let kept = PPM.saturating_sub(u128::from(commission_ppm));
    let theirs = mul_div_floor(theirs, kept, PPM).unwrap_or(0);
    (Stones(income.0.saturating_sub(theirs)), Stones(theirs))
}

/// Where the stones of a slash go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlashParts {
    /// Destroyed.
    pub burned: Stones,
    /// For whoever reported it.
    pub reporter: Stones,
    /// For the insurance fund.
    pub insurance: Stones,
}

/// Divides a slash: 70 % are burned; of the rest the reporter gets at most 2 % of a seat's bond, insurance what is left.
#[must_use]
pub fn split_slash(total: Stones, seat_bond: Stones) -> SlashParts {
    let burned = part(total, SLASH_BURNED_PPM);
    let rest = Stones(total.0.saturating_sub(burned.0));
    let reporter = rest.min(part(seat_bond, REPORTER_PPM_MAX));
    SlashParts { burned, reporter, insurance: Stones(rest.0.saturating_sub(reporter.0)) }
}

/// What a validator did of what a term asked of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Blocks that it proposed.
    pub proposed: u64,
    /// Its part of the term's blocks, rounded down.
    pub proposals_due: u64,
    /// Votes that it gave.
    pub voted: u64,
    /// Epochs that became final.
    pub votes_due: u64,
}

impl Presence {
    /// Whether it did less than `least` millionths of its duties. Proposals and votes weigh the same, however many they
    /// are; a duty that the term did not have is not counted, and more than is due counts as what is due.
    #[must_use]
    pub fn is_absent(&self, least: u32) -> bool {
        let share = |done: u64, due: u64| {
            (due > 0).then(|| u128::from(done.min(due)) * PPM / u128::from(due))
        };
        let duties = [share(self.proposed, self.proposals_due), share(self.voted, self.votes_due)];
        let counted = duties.iter().flatten().fold(0_u128, |count, _| count + 1);
        counted > 0 && duties.iter().flatten().sum::<u128>() / counted < u128::from(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The cap: no pool can hold more.
    const CAP: u128 = 1_000_000_000 * STONE;

    proptest! {
        #[test]
        fn income_and_slashes_add_up(income in 0..CAP, bond in 0..CAP, delegated in 0..CAP, ppm in 0_u32..=1_000_000) {
            let (operator, delegators) = split_income(Stones(income), Stones(bond), Stones(delegated), ppm);
            prop_assert_eq!(operator.0 + delegators.0, income);
            let parts = split_slash(Stones(income), Stones(bond));
            prop_assert_eq!(parts.burned.0 + parts.reporter.0 + parts.insurance.0, income);
            prop_assert!(parts.reporter <= part(Stones(bond), REPORTER_PPM_MAX));
        }

        #[test]
        fn nobody_takes_out_more_than_is_theirs(
            acts in prop::collection::vec((0_u8..4, 1..10_000 * STONE, 0_usize..3), 1..60),
        ) {
            let mut pool = StakePool::default();
            let mut owned = [0_u128; 3];
            let mut held = 0_u128;
            for (act, amount, who) in acts {
                let before = pool.value(owned[who]);
                match act {
                    0 => {
                        let bought = pool.join(Stones(amount)).unwrap();
                        owned[who] += bought;
                        held += amount;
                        // Whoever joins never owns more than before and what it paid.
                        prop_assert!(pool.value(owned[who]).0 <= before.0 + amount);
                    }
                    1 => {
                        let wanted = Stones(amount).min(before);
                        let shares = if wanted == before { owned[who] } else { pool.price(wanted).unwrap() };
                        let got = pool.leave(shares.min(owned[who])).unwrap();
                        owned[who] -= shares.min(owned[who]);
                        held -= got.0;
                    }
                    2 if pool.shares > 0 => {
                        pool.stones = Stones(pool.stones.0 + amount);
                        held += amount;
                    }
                    _ => held -= pool.slash(u32::try_from(amount % 500_000).unwrap()).0,
                }
                prop_assert_eq!(pool.stones.0, held);
                prop_assert_eq!(pool.shares, owned.iter().sum::<u128>());
                let worth = owned.iter().map(|shares| pool.value(*shares).0).sum::<u128>();
                prop_assert!(worth <= held);
            }
        }
    }

    #[test]
    fn a_commission_is_on_what_delegators_earn_alone() {
        let stones = |n: u128| Stones(n * STONE);
        assert_eq!(
            split_income(stones(100), stones(10), stones(30), 100_000),
            (Stones(325 * STONE / 10), Stones(675 * STONE / 10))
        );
        assert_eq!(
            split_income(stones(100), stones(10), Stones::ZERO, 100_000),
            (stones(100), Stones::ZERO)
        );
        assert_eq!(
            split_income(stones(7), Stones::ZERO, Stones::ZERO, 0),
            (stones(7), Stones::ZERO)
        );
    }

    #[test]
    fn absence_is_the_mean_of_two_duties() {
        let half = |proposed, voted| {
            Presence { proposed, proposals_due: 100, voted, votes_due: 10 }.is_absent(500_000)
        };
        assert!(!half(100, 0) && !half(0, 10) && !half(50, 5));
        assert!(half(99, 0) && half(0, 9) && half(49, 5));
        // More than is due makes up for nothing.
        assert!(half(1_000_000, 0) == half(100, 0));
        let voted = Presence { voted: 1, votes_due: 4, ..Presence::default() };
        assert!(voted.is_absent(500_000) && !voted.is_absent(250_000));
        assert!(!Presence::default().is_absent(1_000_000), "nothing was asked");
    }
}
