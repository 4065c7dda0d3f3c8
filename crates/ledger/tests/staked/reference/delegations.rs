//! Stake of others: bought, sold, and what waits in between.

use alloy_primitives::U256;
use cairn_primitives::abi::{IKernel, IStake as S};

use super::super::acts::{Act, STONE};
use super::{Pool, Reference, Refusal, UNBONDING, need};

/// Stake that was taken back, in parts of its operator's unbonding pool.
pub struct Unbonding {
    pub operator: usize,
    pub ready: u64,
    pub shares: u128,
}

impl Reference {
    pub(super) fn delegate(&mut self, from: usize, to: usize, stones: u128) -> Result<(), Refusal> {
        need::<S::DelegationTooSmall>(stones >= STONE)?;
        let known = self.active(to)?;
        need::<S::IsBanned>(!known.banned)?;
        self.divide(to);
        let bought = self.known(to)?.pool.buy(stones);
        self.moved(to, 0);
        *self.delegations.entry((to, from)).or_default() += bought;
        self.moves(from, stones, true);
        Ok(())
    }

    /// What shares are worth when income is divided.
    pub fn worth(&self, to: usize, shares: u128) -> u128 {
        let Some(known) = self.candidates.get(&to) else { return 0 };
        Pool { stones: known.pool.stones + self.undivided(to), ..known.pool }.worth(shares)
    }

    /// Base units that an act of `Undelegate` asks for.
    pub fn asked(&self, act: &Act) -> u128 {
        let Act::Undelegate { from, to, percent } = *act else { return 0 };
        let shares = self.delegations.get(&(to, from)).copied().unwrap_or(0);
        self.worth(to, shares) * percent / 100
    }

    pub(super) fn undelegate(
        &mut self,
        from: usize,
        to: usize,
        asked: u128,
    ) -> Result<(), Refusal> {
        let own = self.delegations.get(&(to, from)).copied().unwrap_or(0);
        // A refused call divides nothing.
        let income = self.undivided(to);
        let known = self.known(to)?;
        let mut pool = known.pool;
        pool.stones += income;
        let worth = pool.worth(own);
        need::<S::NotEnoughStake>(asked <= worth)?;
        need::<IKernel::OutOfRange>(asked > 0)?;
        let fewest =
            (U256::from(asked) * U256::from(pool.shares)).div_ceil(U256::from(pool.stones));
        let sold = if asked == worth { own } else { fewest.to::<u128>().min(own) };
        let stones = pool.sell(sold);
        let left = own - sold;
        need::<S::DelegationTooSmall>(left == 0 || pool.worth(left) >= STONE)?;
        self.divide(to);
        self.known(to)?.pool = pool;
        self.moved(to, 0);
        self.delegations.insert((to, from), left);
        self.unbond(to, from, stones);
        Ok(())
    }

    pub(super) fn unbond(&mut self, operator: usize, owner: usize, stones: u128) {
        let ready = self.now + UNBONDING;
        let known = self.candidates.get_mut(&operator).expect("known");
        let shares = known.unbonding.buy(stones);
        self.moved(operator, 1);
        self.unbondings.entry(owner).or_default().push(Unbonding { operator, ready, shares });
    }

    pub(super) fn withdraw(&mut self, who: usize) -> Result<(), Refusal> {
        let waiting = self.unbondings.entry(who).or_default();
        let count = waiting.iter().take(32).take_while(|one| one.ready <= self.now).count();
        let over: Vec<_> = waiting.drain(..count).collect();
        need::<S::NothingToWithdraw>(count > 0)?;
        let mut paid = 0;
        for one in over {
            let known = self.candidates.get_mut(&one.operator).expect("known");
            paid += known.unbonding.sell(one.shares);
            self.moved(one.operator, 1);
        }
        self.moves(who, paid, false);
        Ok(())
    }
}
