//! Typed reads of the stake contract, and the order in which candidates get seats.

use std::{cmp::Reverse, future::Future};

use alloy_primitives::{Address, U256};
use cairn_primitives::{
    Stones,
    abi::{self, IStake},
};

use crate::{BlockTag, ClientError, LedgerRead, NativeError, Reads};

/// Most candidates that one `candidates` returns.
const CANDIDATES_PAGE: u64 = 64;
/// Most unbondings that one `unbondings` returns: what one `withdraw` pays.
const UNBONDINGS_PAGE: u64 = 32;
/// Part of a seat's bond that a candidate must have left, as a divisor of ten: 900,000 ppm (docs/spec/stake.md).
const BOND_LEFT_TENTHS: u128 = 9;

/// How a candidate stands in the election, as the ledger ranks it.
pub trait Standing {
    /// Bond and delegations.
    fn total(&self) -> Stones;
    /// Whether it takes part in the next election, where a seat's bond is `seat_bond`.
    fn stands(&self, seat_bond: Stones) -> bool;
    /// What the election sorts by, the first seat lowest.
    fn rank(&self) -> (Reverse<u128>, u64, Address);
}

impl Standing for IStake::Candidate {
    fn total(&self) -> Stones {
        Stones(self.bond.saturating_add(self.delegated).saturating_to())
    }
    fn stands(&self, seat_bond: Stones) -> bool {
        let least = U256::from(seat_bond.0 / 10 * BOND_LEFT_TENTHS);
        self.status == 1 && !self.banned && self.jailedTerm == 0 && self.bond >= least
    }
    fn rank(&self) -> (Reverse<u128>, u64, Address) {
        (Reverse(self.total().0), self.since, self.operator)
    }
}

/// Every typed read of the stake contract; implemented for whoever has [`Reads`].
pub trait StakeReads: Reads {
    /// The current term, its first block, and the last term whose set is fixed.
    fn term(
        &self,
        at: BlockTag,
    ) -> impl Future<Output = Result<IStake::termReturn, ClientError>> + Send {
        self.view(abi::STAKE, IStake::termCall {}, at)
    }

    /// The seats of a term; the revert `TermNotFixed` for one beyond the next.
    fn seats(
        &self,
        term: u64,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<IStake::Validator>, ClientError>> + Send {
        self.view(abi::STAKE, IStake::seatsCall { termNumber: term }, at)
    }

    /// Everybody who ever was a candidate, in the order in which they came.
    fn candidates(
        &self,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<IStake::Candidate>, ClientError>> + Send {
        async move {
            let count = self.view(abi::STAKE, IStake::candidateCountCall {}, at).await?;
            let mut candidates = Vec::new();
            while (candidates.len() as u64) < count {
                let from = candidates.len() as u64;
                let call = IStake::candidatesCall { from, limit: CANDIDATES_PAGE };
                let page = self.view(abi::STAKE, call, at).await?;
                if page.is_empty() {
                    break;
                }
                candidates.extend(page);
            }
            Ok(candidates)
        }
    }

    /// One candidate; `None` when this account never was one.
    fn candidate(
        &self,
        operator: Address,
        at: BlockTag,
    ) -> impl Future<Output = Result<Option<IStake::Candidate>, ClientError>> + Send {
        async move {
            match self.view(abi::STAKE, IStake::candidateOfCall { operator }, at).await {
                Ok(candidate) => Ok(Some(candidate)),
                Err(error) if is_unknown(&error) => Ok(None),
                Err(error) => Err(error),
            }
        }
    }

    /// What `delegator` has with `operator`: its worth now, and its shares. Nothing with an operator that is no candidate.
    fn delegation(
        &self,
        operator: Address,
        delegator: Address,
        at: BlockTag,
    ) -> impl Future<Output = Result<(Stones, U256), ClientError>> + Send {
        async move {
            let call = IStake::delegationCall { operator, delegator };
            match self.view(abi::STAKE, call, at).await {
                Ok(found) => Ok((Stones(found.stones.saturating_to()), found.shares)),
                Err(error) if is_unknown(&error) => Ok((Stones::ZERO, U256::ZERO)),
                Err(error) => Err(error),
            }
        }
    }

    /// Stake of `owner` that unbonds, the oldest first; at most 32, which one withdrawal pays.
    fn unbondings(
        &self,
        owner: Address,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<IStake::Unbonding>, ClientError>> + Send {
        self.view(abi::STAKE, IStake::unbondingsCall { owner, limit: UNBONDINGS_PAGE }, at)
    }

    /// How many slashes there ever were. They are numbered from 0.
    fn slash_count(&self, at: BlockTag) -> impl Future<Output = Result<u64, ClientError>> + Send {
        self.view(abi::STAKE, IStake::slashCountCall {}, at)
    }

    /// One slash; the revert `UnknownSlash` when there is none of this number.
    fn slash(
        &self,
        id: u64,
        at: BlockTag,
    ) -> impl Future<Output = Result<IStake::Slash, ClientError>> + Send {
        self.view(abi::STAKE, IStake::slashCall { id }, at)
    }

    /// What `reclaim` would give an owner of an annulled slash now: of its delegation, and of what unbonded.
    fn reclaimable(
        &self,
        id: u64,
        owner: Address,
        at: BlockTag,
    ) -> impl Future<Output = Result<[Stones; 2], ClientError>> + Send {
        async move {
            let found = self.view(abi::STAKE, IStake::reclaimableCall { id, owner }, at).await?;
            Ok([found.delegated, found.unbonding].map(|stones| Stones(stones.saturating_to())))
        }
    }

    /// What a validator did in a term so far and what the whole term asks; the revert `NotValidator` without a seat in it.
    fn presence(
        &self,
        term: u64,
        operator: Address,
        at: BlockTag,
    ) -> impl Future<Output = Result<IStake::presenceReturn, ClientError>> + Send {
        self.view(abi::STAKE, IStake::presenceCall { termNumber: term, operator }, at)
    }
}

impl<L: LedgerRead> StakeReads for L {}

fn is_unknown(error: &ClientError) -> bool {
    use IStake::IStakeErrors::UnknownCandidate;
    let error = error.revert().and_then(|revert| revert.error.as_ref());
    matches!(error, Some(NativeError::Stake(UnknownCandidate(_))))
}

#[cfg(test)]
mod tests {
    use cairn_primitives::STONE;

    use super::*;

    fn candidate(bond: u64, delegated: u64, since: u64, byte: u8) -> IStake::Candidate {
        let stones = |n: u64| U256::from(n) * U256::from(STONE);
        IStake::Candidate {
            operator: Address::repeat_byte(byte),
            consensusKey: alloy_primitives::B256::ZERO,
            status: 1,
            banned: false,
            since,
            leftTerm: 0,
            jailedTerm: 0,
            commissionPpm: 0,
            nextCommissionPpm: 0,
            nextCommissionTerm: 0,
            bond: stones(bond),
            income: U256::ZERO,
            delegated: stones(delegated),
            shares: stones(delegated),
            unbonding: U256::ZERO,
        }
    }

    #[test]
    fn the_order_is_the_election_s() {
        let rich = candidate(100, 50, 9, 9);
        let old = candidate(120, 0, 1, 8);
        let young = candidate(100, 20, 2, 1);
        let young_too = candidate(100, 20, 2, 2);
        let mut all = [&young_too, &young, &old, &rich];
        all.sort_by_key(|candidate| candidate.rank());
        assert_eq!(all, [&rich, &old, &young, &young_too]);
    }

    #[test]
    fn who_is_jailed_banned_gone_or_poor_does_not_stand() {
        let bond = Stones(100 * STONE);
        let good = candidate(90, 0, 0, 1);
        assert!(good.stands(bond));
        assert!(!candidate(89, 1_000, 0, 1).stands(bond));
        assert!(!IStake::Candidate { jailedTerm: 1, ..good.clone() }.stands(bond));
        assert!(!IStake::Candidate { banned: true, ..good.clone() }.stands(bond));
        assert!(!IStake::Candidate { status: 2, ..good }.stands(bond));
    }
}
