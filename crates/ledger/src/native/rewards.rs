//! The agreed result of an epoch, and the owners' claims on it.
//!
//! ```text
//! set frozen (`batches`) ─► seal … seal ─► vote … vote ─ quorum on one result ─► final: stones move here ─► claim (proof)
//!                                            └─ no result can reach the quorum ─► next round: attest again, vote again
//! ```
//! Votes are sealed first (`seals`), so that nobody is paid for a vote that it read elsewhere.
//! Epochs become final strictly in order, so that an epoch's pool is a function of the state its predecessor left.
//! A validator that comes late may still vote for a final epoch: its vote moves nothing, but dissent is shown.
//!
//! **Invariant:** this contract's stones cover every unclaimed reward of final epochs, less what the reserve still owes,
//! plus what the vault released for epochs that are not final.

mod claims;
mod proofs;
mod record;
mod seals;

pub use claims::{CLAIMS_MAX, PROOF_MAX};

use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_sol_types::SolValue;
use cairn_economy::{EconomyState, EpochPool, Settlement, part};
use cairn_primitives::{
    EconomyParams, Epoch, MicroUsd, Sector, Stones, TimeMs,
    abi::{ECONOMY, INSURANCE, IRewards, REWARDS, STAKE, TREASURY},
    quorum,
};

use self::record::{Outcome, PoolRow, Tally};
use super::{
    Ctx, List, Mapping, Res, Stop, Value, batches, decode, economy, economy_state, market,
    out_of_range, pool, revert, stake,
};
use crate::check::Violation;

/// How long after an epoch became final a late validator may still show its vote, in epochs.
pub const LATE_VOTE_EPOCHS: u64 = 8;

type PerEpoch<V> = Mapping<u64, Mapping<u8, V>>;
type PerRound<V> = PerEpoch<Mapping<u32, V>>;

/// `mapping(sector => uint64)` at slot 0: the next epoch to become final.
const NEXT: Mapping<u8, Value<Epoch>> = Mapping::new(REWARDS, 0);
/// `mapping(epoch => mapping(sector => Outcome))` at slot 1.
const OUTCOMES: PerEpoch<Value<Outcome>> = Mapping::new(REWARDS, 1);
/// `mapping(epoch => mapping(sector => mapping(round => uint256)))` at slot 2: bit i = the validator of seat i voted.
const VOTED: PerRound<Value<U256>> = Mapping::new(REWARDS, 2);
/// `mapping(epoch => mapping(sector => mapping(round => Tally[])))` at slot 3.
const TALLIES: PerRound<List<Tally>> = Mapping::new(REWARDS, 3);
/// `mapping(epoch => mapping(sector => mapping(round => mapping(seat => bytes32))))` at slot 4: each seat's vote.
const VOTES: PerRound<Mapping<u32, Value<B256>>> = Mapping::new(REWARDS, 4);
/// Slot 5: `claims`. Slot 6: stones of final epochs that are not claimed.
const OWED: Value<Stones> = Value::new(REWARDS, 6);
/// `mapping(epoch => mapping(sector => PoolRow))` at slot 7: the pools that were used.
const POOLS: PerEpoch<Value<PoolRow>> = Mapping::new(REWARDS, 7);
/// Slots 8 to 10: `seals`.
/// `… => mapping(seat => uint64))` at slot 11: 1 + the term in which a seat's vote was counted, where it was.
const COUNTED: PerRound<Mapping<u32, Value<u64>>> = Mapping::new(REWARDS, 11);

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use IRewards::IRewardsCalls as F;
    match decode(data)? {
        F::seal(q) => {
            c.mutate_void(q, |c, q| seals::seal(c, Epoch(q.epoch), q.sector, q.round, q.voteSeal))
        }
        F::vote(q) => {
            c.mutate_void(q, |c, q| vote(c, Epoch(q.epoch), q.sector, q.round, &q.result, q.salt))
        }
        F::ballot(q) => c.view(q, |c, q| seals::ballot(c, Epoch(q.epoch), q.sector)),
        F::claim(q) => c.mutate(q, |c, q| claims::claim(c, &q.reward, q.index, &q.proof)),
        F::claimMany(q) => c.mutate(q, |c, q| claims::claim_many(c, &q)),
        F::pool(q) => c.view(q, |c, q| pool(c, Epoch(q.epoch), economy_state::sector(q.sector)?)),
        F::nextEpoch(q) => c.view(q, |c, q| Ok(next_epoch(c, economy_state::sector(q.sector)?)?.0)),
        F::result(q) => c.view(q, |c, q| Ok(outcome(c, Epoch(q.epoch), q.sector)?.to_abi())),
        F::claimed(q) => c.view(q, |c, q| claims::claimed(c, Epoch(q.epoch), q.device.0)),
        F::reading(q) => c.view(q, |c, q| proofs::reading(c, &q)),
        F::isLeaf(q) => c.view(q, |c, q| proofs::is_leaf(c, &q)),
        F::unlocks(q) => c.view(q, |c, q| {
            let (earned, subsidy) = claims::unlocks(c, Epoch(q.epoch));
            Ok(IRewards::unlocksReturn { earnedFrom: earned.0, subsidyFrom: subsidy.0 })
        }),
    }
}

/// The next epoch to become final.
///
/// # Errors
/// Out of gas, or disk trouble; so for the functions below.
pub fn next_epoch(c: &mut Ctx<'_>, sector: Sector) -> Res<Epoch> {
    NEXT.at(&sector.number()).get(c)
}

/// The result of a final epoch.
fn outcome(c: &mut Ctx<'_>, epoch: Epoch, sector: u8) -> Res<Outcome> {
    let known = economy_state::sector(sector)?;
    if epoch >= next_epoch(c, known)? {
        return revert(IRewards::EpochNotFinal { epoch: epoch.0 });
    }
    OUTCOMES.at(&epoch.0).at(&sector).get(c)
}

/// Everything that making the next epoch final would do to the economy, decided before anything is written.
struct Plan {
    /// The parameters in force in the epoch's day.
    params: EconomyParams,
    state: EconomyState,
    settlement: Settlement,
    row: PoolRow,
}

fn plan(c: &mut Ctx<'_>, epoch: Epoch, sector: Sector) -> Res<Plan> {
    let income = market::income(c, epoch, sector.number())?;
    let mut state = economy_state::load(c)?;
    let schedule = c.genesis().schedule();
    let (price, is_healthy) = economy::price_of(c, epoch)?;
    let params = economy::params_at(c, schedule.day_of(epoch), price)?;
    let epochs = schedule.epochs_per_day();
    let mut subsidy = state.epoch_pool(sector, epoch.0 % epochs, epochs).or_else(bug)?;
    if !is_healthy {
        subsidy = EpochPool::default();
    }
    let settlement = state
        .settle_epoch(&params, sector, epoch, epochs, income.paid, income.released)
        .or_else(bug)?;
    let EpochPool { usage, need } = subsidy;
    let row = PoolRow {
        price,
        earned: settlement.income,
        usage,
        need,
        earned_stones: settlement.owed.providers,
    };
    Ok(Plan { params, state, settlement, row })
}

/// The economy refused what this contract had checked.
fn bug<T>(error: cairn_economy::EconomyError) -> Res<T> {
    Err(Stop::Fatal(format!("rewards: {error}")))
}

fn pool(c: &mut Ctx<'_>, epoch: Epoch, sector: Sector) -> Res<IRewards::Pool> {
    let next = next_epoch(c, sector)?;
    let row = match epoch.cmp(&next) {
        std::cmp::Ordering::Less => POOLS.at(&epoch.0).at(&sector.number()).get(c)?,
        std::cmp::Ordering::Equal => plan(c, epoch, sector)?.row,
        std::cmp::Ordering::Greater => {
            return revert(IRewards::EpochNotFinal { epoch: epoch.0 - 1 });
        }
    };
    Ok(IRewards::Pool {
        epoch: epoch.0,
        priceMicroUsd: row.price.0,
        earnedMicroUsd: row.earned.0,
        earnedStones: U256::from(row.earned_stones.0),
        usageSubsidyMicroUsd: row.usage.0,
        needSubsidyMicroUsd: row.need.0,
    })
}

/// A validator's place in the round that it wants to seal or vote in.
struct Place {
    sector: Sector,
    /// The set of validators that the round belongs to, and the caller's seat in it.
    set: u32,
    seat: u32,
    /// The epoch is final: a vote is shown, and moves nothing.
    is_final: bool,
    frozen_at: TimeMs,
}

fn place(c: &mut Ctx<'_>, epoch: Epoch, number: u8, round: u32) -> Res<Place> {
    let caller = c.caller();
    let sector = economy_state::sector(number)?;
    let set = batches::set_of(c, epoch, number)?;
    let Some(seat) = stake::seats::seat_in(c, set, caller)? else {
        return revert(IRewards::NotValidator { caller });
    };
    let next = next_epoch(c, sector)?;
    let is_final = epoch < next && next.0 - epoch.0 <= LATE_VOTE_EPOCHS;
    if epoch != next && !is_final {
        return revert(IRewards::NotNextEpoch { epoch: epoch.0, next: next.0 });
    }
    let Some(standing) = batches::freeze(c, epoch, number)? else {
        return revert(IRewards::SetNotFrozen { epoch: epoch.0 });
    };
    if round != standing.round {
        return revert(IRewards::WrongRound { round, current: standing.round });
    }
    Ok(Place { sector, set, seat, is_final, frozen_at: standing.frozen_at })
}

fn vote(
    c: &mut Ctx<'_>,
    epoch: Epoch,
    number: u8,
    round: u32,
    result: &IRewards::Result,
    salt: B256,
) -> Res<()> {
    let caller = c.caller();
    let at = place(c, epoch, number, round)?;
    let Place { sector, set: seats, seat, is_final, .. } = at;
    let hash = keccak256(result.abi_encode());
    let is_paid = seals::open(c, epoch, number, round, &at, hash, salt)?;
    let voters = VOTED.at(&epoch.0).at(&number).at(&round);
    let mut voted = voters.get(c)?;
    let bit = usize::try_from(seat).unwrap_or(usize::MAX);
    if voted.bit(bit) {
        return revert(IRewards::DoubleVote { epoch: epoch.0, validator: caller });
    }
    let plan = if is_final { None } else { Some(checked(plan(c, epoch, sector)?, result)?) };

    stake::announce(c)?;
    voted.set_bit(bit, true);
    voters.set(c, &voted)?;
    VOTES.at(&epoch.0).at(&number).at(&round).at(&seat).set(c, &hash)?;
    c.emit(
        REWARDS,
        &IRewards::Voted {
            epoch: epoch.0,
            sector: number,
            validator: caller,
            round,
            resultHash: hash,
        },
    )?;
    let Some(plan) = plan else {
        let final_hash = OUTCOMES.at(&epoch.0).at(&number).get(c)?.hash();
        if is_paid && hash == final_hash {
            stake::voted(c, caller)?;
        }
        return dissent(c, epoch, number, caller, final_hash, hash);
    };
    if is_paid {
        let term = stake::voted(c, caller)?;
        let place = COUNTED.at(&epoch.0).at(&number).at(&round).at(&seat);
        place.set(c, &term.saturating_add(1))?;
    }
    let (votes, most) = tally(c, epoch, number, round, hash)?;
    let count = stake::seats::count(c, seats)?;
    let quorum = quorum(count);
    let silent = count.saturating_sub(u32::try_from(voted.count_ones()).unwrap_or(u32::MAX));
    if votes >= quorum {
        seals::take_back(c, epoch, number, round, seats, Some(hash))?;
        finalise(c, epoch, sector, plan, result, votes)?;
        show_dissent(c, epoch, number, round, hash)
    } else if most.saturating_add(silent) < quorum {
        seals::take_back(c, epoch, number, round, seats, None)?;
        let round = batches::reopen(c, epoch, number)?;
        c.emit(REWARDS, &IRewards::RoundReopened { epoch: epoch.0, sector: number, round })
    } else {
        Ok(())
    }
}

/// Takes the votes of a round back that ended without a result when its validators were gone.
///
/// # Errors
/// Out of gas, or disk trouble.
pub(super) fn came_to_nothing(
    c: &mut Ctx<'_>,
    epoch: Epoch,
    sector: u8,
    round: u32,
    set: u32,
) -> Res<()> {
    seals::take_back(c, epoch, sector, round, set, None)
}

/// Counts a vote; returns the votes for its result and the most votes of any result.
fn tally(c: &mut Ctx<'_>, epoch: Epoch, sector: u8, round: u32, hash: B256) -> Res<(u32, u32)> {
    let tallies = TALLIES.at(&epoch.0).at(&sector).at(&round);
    let (mut own, mut most) = (0, 0);
    for i in 0..tallies.len(c)? {
        let mut tally = tallies.at(i).get(c)?;
        if tally.hash == hash {
            tally.votes += 1;
            own = tally.votes;
            tallies.at(i).set(c, &tally)?;
        }
        most = most.max(tally.votes);
    }
    if own == 0 {
        own = 1;
        tallies.push(c, &Tally { hash, votes: own })?;
    }
    Ok((own, most.max(own)))
}

/// Refuses a result that hands out more than the pool, or not all that consumers paid.
fn checked(plan: Plan, result: &IRewards::Result) -> Res<Plan> {
    let row = &plan.row;
    let subsidy = MicroUsd(row.usage.0.saturating_add(row.need.0)).to_stones_floor(row.price);
    let parts = [
        ("earned", result.earnedStones, U256::from(row.earned_stones.0)),
        ("usage", U256::from(result.usageMicroUsd), U256::from(row.usage.0)),
        ("need", U256::from(result.needMicroUsd), U256::from(row.need.0)),
        ("subsidy", result.subsidyStones, U256::from(subsidy.0.min(plan.state.reserve.0))),
    ];
    for (part, asked, pool) in parts {
        if asked > pool {
            return revert(IRewards::PoolExceeded { part: part.to_owned(), asked, pool });
        }
    }
    if result.earnedStones < U256::from(row.earned_stones.0) {
        return out_of_range("earnedStones", result.earnedStones, U256::from(row.earned_stones.0));
    }
    Ok(plan)
}

/// Moves the epoch's stones, remembers its result and opens the next day if the epoch ended one.
fn finalise(
    c: &mut Ctx<'_>,
    epoch: Epoch,
    sector: Sector,
    plan: Plan,
    result: &IRewards::Result,
    votes: u32,
) -> Res<()> {
    let Plan { params, mut state, settlement, row } = plan;
    let genesis = c.genesis();
    let outcome = Outcome::from_abi(result);
    let (earned, subsidy) = (outcome.earned_stones, outcome.subsidy_stones);
    state.pay_subsidy(&params, sector, subsidy, outcome.need).or_else(bug)?;

    c.transfer(ECONOMY, REWARDS, settlement.drawn)?;
    let treasury = sum(settlement.paid.treasury, settlement.old_paid.treasury);
    let share = if stake::has_votes(c)? { genesis.stake.vote_fee_ppm } else { 0 };
    let voters = part(treasury, share);
    c.transfer(REWARDS, STAKE, voters)?;
    stake::finalised(c, voters)?;
    c.transfer(REWARDS, TREASURY, Stones(treasury.0.saturating_sub(voters.0)))?;
    c.transfer(REWARDS, INSURANCE, sum(settlement.paid.insurance, settlement.old_paid.insurance))?;
    c.burn(REWARDS, settlement.burned, economy::cause("settlement"))?;
    c.transfer(ECONOMY, REWARDS, subsidy)?;
    let owed = OWED.get(c)?;
    OWED.set(c, &sum(owed, sum(earned, subsidy)))?;

    OUTCOMES.at(&epoch.0).at(&sector.number()).set(c, &outcome)?;
    POOLS.at(&epoch.0).at(&sector.number()).set(c, &row)?;
    NEXT.at(&sector.number()).set(c, &epoch.next())?;
    seals::begin_next(c, sector)?;
    pool::announce(c, epoch, sector.number())?;
    let event = IRewards::EpochFinal {
        epoch: epoch.0,
        sector: sector.number(),
        verdictRoot: result.verdictRoot,
        scoreRoot: result.scoreRoot,
        rewardRoot: result.rewardRoot,
        earnedStones: result.earnedStones,
        subsidyStones: result.subsidyStones,
        votes,
    };
    c.emit(REWARDS, &event)?;
    // A day opens when the last sector has finished the day before.
    let mut slowest = epoch.next();
    for other in Sector::ALL {
        slowest = slowest.min(next_epoch(c, other)?);
    }
    let opens = genesis.schedule().day_of(slowest) > state.day;
    if opens {
        let closing = economy::params_at(c, state.day, row.price)?;
        let opening = economy::params_at(c, state.day.saturating_add(1), row.price)?;
        state.open_next_day_with(&closing, &opening);
    }
    economy_state::save(c, &state)?;
    if opens { economy_state::announce(c, &state) } else { Ok(()) }
}

/// Sums below the cap fit.
const fn sum(a: Stones, b: Stones) -> Stones {
    Stones(a.0.saturating_add(b.0))
}

/// Shows every validator that voted for something else in the round that became final.
fn show_dissent(c: &mut Ctx<'_>, epoch: Epoch, sector: u8, round: u32, hash: B256) -> Res<()> {
    let voted = VOTED.at(&epoch.0).at(&sector).at(&round).get(c)?;
    let set = batches::set_of(c, epoch, sector)?;
    for (seat, validator) in (0_u32..).zip(stake::seats::seats(c, set)?) {
        if voted.bit(usize::try_from(seat).unwrap_or(usize::MAX)) {
            let vote = VOTES.at(&epoch.0).at(&sector).at(&round).at(&seat).get(c)?;
            dissent(c, epoch, sector, validator.operator, hash, vote)?;
        }
    }
    Ok(())
}

/// Whether a validator voted for another result of a final epoch than the final one, in the round that became final.
///
/// # Errors
/// `EpochNotFinal`; out of gas, or disk trouble.
pub(super) fn is_wrong_vote(
    c: &mut Ctx<'_>,
    epoch: Epoch,
    sector: u8,
    validator: alloy_primitives::Address,
) -> Res<bool> {
    let final_hash = outcome(c, epoch, sector)?.hash();
    let set = batches::set_of(c, epoch, sector)?;
    let Some(seat) = stake::seats::seat_in(c, set, validator)? else { return Ok(false) };
    let round = batches::standing(c, epoch, sector)?.round;
    let voted = VOTED.at(&epoch.0).at(&sector).at(&round).get(c)?;
    if !voted.bit(usize::try_from(seat).unwrap_or(usize::MAX)) {
        return Ok(false);
    }
    Ok(VOTES.at(&epoch.0).at(&sector).at(&round).at(&seat).get(c)? != final_hash)
}

fn dissent(
    c: &mut Ctx<'_>,
    epoch: Epoch,
    sector: u8,
    validator: alloy_primitives::Address,
    final_hash: B256,
    vote: B256,
) -> Res<()> {
    if vote == final_hash {
        return Ok(());
    }
    let event = IRewards::Dissent {
        epoch: epoch.0,
        sector,
        validator,
        finalHash: final_hash,
        votedHash: vote,
    };
    c.emit(REWARDS, &event)
}

pub(super) fn check(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<()> {
    let mut owed = OWED.get(c)?;
    for iou in economy_state::load(c)?.ious {
        owed = Stones(owed.0.saturating_sub(iou.dues.providers.0));
    }
    for sector in Sector::ALL {
        let next = next_epoch(c, sector)?;
        for epoch in 0..next.0 {
            check_final(c, Epoch(epoch), sector, found)?;
        }
        for epoch in next.0..=c.epoch().0 {
            owed = sum(owed, market::income(c, Epoch(epoch), sector.number())?.released);
        }
    }
    let held = c.balance(REWARDS)?;
    if held < owed {
        found.push(Violation::BalanceShort { account: REWARDS, held, owed });
    }
    Ok(())
}

/// A final epoch handed out all that was earned and no more subsidy than its pool had.
fn check_final(
    c: &mut Ctx<'_>,
    epoch: Epoch,
    sector: Sector,
    found: &mut Vec<Violation>,
) -> Res<()> {
    let outcome = OUTCOMES.at(&epoch.0).at(&sector.number()).get(c)?;
    let pool = POOLS.at(&epoch.0).at(&sector.number()).get(c)?;
    let subsidy = MicroUsd(pool.usage.0.saturating_add(pool.need.0)).to_stones_floor(pool.price);
    let sound = outcome.earned_stones == pool.earned_stones
        && outcome.usage <= pool.usage
        && outcome.need <= pool.need
        && outcome.subsidy_stones <= subsidy;
    if !sound {
        let what = format!("epoch {epoch}: {outcome:?} is not within {pool:?}");
        found.push(Violation::Other { contract: "rewards", what });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
