//! Claims: the owner is paid what is unlocked of a reward that its Merkle proof shows.
//!
//! Earned unlocks after the dispute window, subsidy after the vesting time. A slashed device's subsidy that was still
//! locked when it was slashed is forfeited: 70 % burned, 30 % back to the reserve (the challenger was paid out of the
//! bond at once). Whoever sends the claim, only the owner in the leaf is paid.

use alloy_primitives::{FixedBytes, U256};
use cairn_economy::Reward;
use cairn_primitives::{
    DeviceId, Digest, Epoch, MerkleProof, MicroUsd, Sector, Stones,
    abi::{ECONOMY, IRewards, REWARDS},
    mul_div_floor, verify_proof,
};

use super::{OWED, Outcome, outcome};
use crate::native::{
    Ctx, Mapping, Res, Value, economy, economy_state, gas, out_of_range, registry,
    registry::Status, revert,
};

/// Most rewards of one `claimMany`.
pub const CLAIMS_MAX: usize = 256;
/// Most siblings of a proof: a tree of 2^32 leaves.
pub const PROOF_MAX: usize = 32;
/// Share of a forfeited subsidy that is burned, ppm; the rest returns to the reserve.
pub const FORFEIT_BURN_PPM: u32 = 700_000;

/// The earned part is paid.
const EARNED: u8 = 1;
/// The subsidy is paid or forfeited.
const SUBSIDY: u8 = 2;
/// The subsidy was forfeited.
const FORFEITED: u8 = 4;

/// `mapping(epoch => mapping(bytes16 => uint8))` at slot 5.
const CLAIMED: Mapping<u64, Mapping<DeviceId, Value<u8>>> = Mapping::new(REWARDS, 5);

/// See `IRewards.claimed`.
pub(super) fn claimed(c: &mut Ctx<'_>, epoch: Epoch, device: [u8; 16]) -> Res<u8> {
    CLAIMED.at(&epoch.0).at(&DeviceId(device)).get(c)
}

/// Epochs from which earned part and subsidy of a reward of `epoch` may be claimed.
pub(super) fn unlocks(c: &Ctx<'_>, epoch: Epoch) -> (Epoch, Epoch) {
    let economy = &c.genesis().economy;
    let after = |epochs: u64| Epoch(epoch.0.saturating_add(1).saturating_add(epochs));
    (after(economy.dispute_epochs), after(economy.vesting_epochs))
}

/// What a claim does, decided before anything is written.
struct Payout {
    earned: Stones,
    subsidy: Stones,
    forfeited: Option<Stones>,
    bits: u8,
}

/// See `IRewards.claim`.
pub(super) fn claim(
    c: &mut Ctx<'_>,
    reward: &IRewards::Reward,
    index: u32,
    proof: &[FixedBytes<32>],
) -> Res<U256> {
    let reward = proven(c, reward, index, proof)?;
    let before = claimed(c, reward.epoch, reward.device.0)?;
    if before & (EARNED | SUBSIDY) == EARNED | SUBSIDY {
        let (epoch, device) = (reward.epoch.0, FixedBytes(reward.device.0));
        return match slashed_at(c, reward.device)? {
            Some(at) if before & FORFEITED != 0 => {
                revert(IRewards::Forfeited { device, slashedEpoch: at.0 })
            }
            _ => revert(IRewards::AlreadyClaimed { epoch, device }),
        };
    }
    let payout = decide(c, &reward, before)?;
    if payout.bits == before {
        let (mut earned, subsidy) = unlocks(c, reward.epoch);
        if before & EARNED == 0 && c.epoch() >= earned {
            earned = Epoch(u64::MAX);
        }
        return revert(IRewards::StillLocked { earnedFrom: earned.0, subsidyFrom: subsidy.0 });
    }
    Ok(U256::from(pay(c, &reward, &payout)?.0))
}

/// See `IRewards.claimMany`.
pub(super) fn claim_many(c: &mut Ctx<'_>, q: &IRewards::claimManyCall) -> Res<U256> {
    let count = q.rewards.len();
    if count > CLAIMS_MAX {
        return out_of_range("rewards", U256::from(count), U256::from(CLAIMS_MAX));
    }
    if q.indices.len() != count {
        return out_of_range("indices", U256::from(q.indices.len()), U256::from(count));
    }
    if q.lengths.len() != count {
        return out_of_range("lengths", U256::from(q.lengths.len()), U256::from(count));
    }
    let wanted: usize = q.lengths.iter().map(|&n| usize::from(n)).sum();
    if q.proofs.len() != wanted {
        return out_of_range("proofs", U256::from(q.proofs.len()), U256::from(wanted));
    }
    let mut proofs = q.proofs.as_slice();
    let mut total = Stones::ZERO;
    for ((reward, &index), &length) in q.rewards.iter().zip(&q.indices).zip(&q.lengths) {
        let (proof, rest) = proofs.split_at(usize::from(length));
        proofs = rest;
        let reward = proven(c, reward, index, proof)?;
        let before = claimed(c, reward.epoch, reward.device.0)?;
        let payout = decide(c, &reward, before)?;
        if payout.bits != before {
            total = super::sum(total, pay(c, &reward, &payout)?);
        }
    }
    Ok(U256::from(total.0))
}

/// The reward, shown to be leaf `index` of its epoch's tree.
fn proven(
    c: &mut Ctx<'_>,
    reward: &IRewards::Reward,
    index: u32,
    proof: &[FixedBytes<32>],
) -> Res<Reward> {
    if proof.len() > PROOF_MAX {
        return out_of_range("proof", U256::from(proof.len()), U256::from(PROOF_MAX));
    }
    let outcome = outcome(c, Epoch(reward.epoch), reward.sector)?;
    c.charge(gas::sha256(cairn_economy::REWARD_BYTES + 1) + gas::sha256(65) * proof.len() as u64)?;
    match parse(reward) {
        Some(parsed) if is_leaf(&outcome, &parsed, index, proof) => Ok(parsed),
        _ => revert(IRewards::BadProof { epoch: reward.epoch, device: reward.device }),
    }
}

fn is_leaf(outcome: &Outcome, reward: &Reward, index: u32, proof: &[FixedBytes<32>]) -> bool {
    let siblings = proof.iter().map(|sibling| Digest(sibling.0)).collect();
    let proof = MerkleProof { index, count: outcome.devices, siblings };
    verify_proof(&outcome.reward_root, &reward.leaf_hash(), &proof)
}

/// None when an amount does not fit a leaf, which then is no leaf of any tree.
fn parse(reward: &IRewards::Reward) -> Option<Reward> {
    Some(Reward {
        epoch: Epoch(reward.epoch),
        sector: Sector::from_u8(reward.sector)?,
        device: DeviceId(reward.device.0),
        owner: reward.owner,
        earned: MicroUsd(reward.earnedMicroUsd),
        earned_stones: Stones(u128::try_from(reward.earnedStones).ok()?),
        subsidy: MicroUsd(reward.subsidyMicroUsd),
        subsidy_stones: Stones(u128::try_from(reward.subsidyStones).ok()?),
    })
}

/// From which epoch a slashed device's evidence no longer counts.
fn slashed_at(c: &mut Ctx<'_>, device: DeviceId) -> Res<Option<Epoch>> {
    let device = registry::device(c, device)?;
    Ok(device.filter(|d| d.status == Status::Slashed).map(|d| d.end.unwrap_or_default()))
}

fn decide(c: &mut Ctx<'_>, reward: &Reward, before: u8) -> Res<Payout> {
    let (earned_from, subsidy_from) = unlocks(c, reward.epoch);
    let now = c.epoch();
    let mut payout =
        Payout { earned: Stones::ZERO, subsidy: Stones::ZERO, forfeited: None, bits: before };
    if before & EARNED == 0 && now >= earned_from && economy_state::load(c)?.is_paid(reward.epoch) {
        payout.earned = reward.earned_stones;
        payout.bits |= EARNED;
    }
    if before & SUBSIDY == 0 {
        let slashed = slashed_at(c, reward.device)?;
        if slashed.is_some_and(|at| at < subsidy_from) {
            payout.forfeited = Some(reward.subsidy_stones);
            payout.bits |= SUBSIDY | FORFEITED;
        } else if now >= subsidy_from {
            payout.subsidy = reward.subsidy_stones;
            payout.bits |= SUBSIDY;
        }
    }
    Ok(payout)
}

/// Moves the stones; returns what the owner got.
fn pay(c: &mut Ctx<'_>, reward: &Reward, payout: &Payout) -> Res<Stones> {
    CLAIMED.at(&reward.epoch.0).at(&reward.device).set(c, &payout.bits)?;
    let paid = super::sum(payout.earned, payout.subsidy);
    let leaves = super::sum(paid, payout.forfeited.unwrap_or_default());
    let owed = OWED.get(c)?;
    // A leaf is paid once, and the leaves of a tree add up to what its result added; a wrong tree must not take more.
    let Ok(rest) = owed.sub(leaves) else {
        return out_of_range("reward", U256::from(leaves.0), U256::from(owed.0));
    };
    OWED.set(c, &rest)?;
    c.transfer(REWARDS, reward.owner, paid)?;
    let (device, epoch) = (FixedBytes(reward.device.0), reward.epoch.0);
    if let Some(forfeited) = payout.forfeited {
        let burned =
            mul_div_floor(forfeited.0, u128::from(FORFEIT_BURN_PPM), 1_000_000).unwrap_or(0);
        let returned = forfeited.0 - burned;
        c.burn(REWARDS, Stones(burned), economy::cause("forfeit"))?;
        c.transfer(REWARDS, ECONOMY, Stones(returned))?;
        let (burned, returned) = (U256::from(burned), U256::from(returned));
        c.emit(REWARDS, &IRewards::SubsidyForfeited { device, epoch, burned, returned })?;
    }
    if payout.bits & !FORFEITED != 0 && (payout.forfeited.is_none() || payout.earned.0 > 0) {
        let event = IRewards::Claimed {
            device,
            owner: reward.owner,
            epoch,
            earnedStones: U256::from(payout.earned.0),
            subsidyStones: U256::from(payout.subsidy.0),
        };
        c.emit(REWARDS, &event)?;
    }
    Ok(paid)
}
