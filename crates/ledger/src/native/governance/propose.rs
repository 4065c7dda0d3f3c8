//! Proposals: what a vote can be about, the deposit, and the quorum, which is fixed when the proposal is made.
//!
//! Facts about the value (bounds of genesis, a stream's shape) are checked here, facts about the state (pace, funds) when it is
//! carried out: the state moves in between.

use alloy_primitives::{Address, B256, U256};
use cairn_economy::{AtStake, Change, capture_most, changed, coverage_need, quorum_stones};
use cairn_primitives::{
    MicroUsd, Parameter, Sector, Stones, TimeMs,
    abi::{GOVERNANCE, IGovernance, TREASURY},
};

use super::{
    latest, locks,
    parameters::refused,
    record::{self, DEPOSITS, Kind, PROPOSALS, Proposal},
    rules,
};
use crate::native::{
    Ctx, List, Mapping, Packer, Res, Stored, Unpacker, Value, economy, economy_state, out_of_range,
    revert,
    treasury::{self, Terms},
};

/// `mapping(proposal => Row[])` at slot 7: changes of parameters.
const CHANGES: Mapping<u64, List<Row>> = Mapping::new(GOVERNANCE, 7);
/// `mapping(proposal => address)` at slot 10: guardians to be.
pub(super) const NOMINEES: Mapping<u64, Value<Address>> = Mapping::new(GOVERNANCE, 10);
/// `mapping(proposal => Terms)` at slot 11: streams to be.
pub(super) const TERMS: Mapping<u64, Value<Terms>> = Mapping::new(GOVERNANCE, 11);

/// A change: parameter 1 │ value 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    parameter: u8,
    value: u64,
}

impl Stored for Row {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u8(self.parameter).u64(self.value).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { parameter: a.u8(), value: a.u64() }
    }
}

/// The yes stones that a proposal made now needs, and the most that a vote could take.
pub(super) fn quorum(c: &mut Ctx<'_>) -> Res<(Stones, Stones)> {
    let (rules, params) = (rules(c)?, latest(c)?);
    let sectors = u64::try_from(Sector::ALL.len()).unwrap_or(u64::MAX);
    let most = capture_most(&AtStake {
        treasury: c.balance(TREASURY)?,
        emission: economy_state::emission(c)?,
        need: MicroUsd(coverage_need(&params).0.saturating_mul(sectors)),
        price: economy::price(c)?,
    });
    let locked = locks::LOCKED.get(c)?;
    let (share, loss) = (rules.quorum_ppm, rules.loss_ppm);
    Ok((quorum_stones(most, locked, rules.quorum_least(), share, loss), most))
}

/// What is common to all proposals.
fn open(c: &mut Ctx<'_>, kind: Kind, simulation: B256, subject: u64, index: u8) -> Res<u64> {
    let (rules, deposit, proposer, start) = (rules(c)?, c.value(), c.caller(), c.now());
    if simulation == B256::ZERO {
        return revert(IGovernance::NoSimulation {});
    }
    if deposit < rules.deposit() {
        let (deposit, least) = (U256::from(deposit.0), U256::from(rules.deposit().0));
        return revert(IGovernance::DepositTooSmall { deposit, least });
    }
    let (quorum, _) = quorum(c)?;
    let voting_end = TimeMs(start.0.saturating_add(rules.voting_ms));
    let proposal = Proposal {
        proposer,
        kind,
        end: 0,
        delayed: false,
        index,
        subject,
        start,
        voting_end,
        ready: TimeMs(voting_end.0.saturating_add(rules.timelock_ms)),
        simulation,
        weight: [0; 2],
        stones: [Stones::ZERO; 2],
        quorum,
        deposit,
    };
    let deposits = DEPOSITS.get(c)?;
    DEPOSITS.set(c, &Stones(deposits.0.saturating_add(deposit.0)))?;
    let id = PROPOSALS.push(c, &proposal)?;
    let event = IGovernance::Proposed {
        id,
        proposer,
        kind: kind as u8,
        simulation,
        votingEndMs: voting_end.0,
        quorum: U256::from(quorum.0),
    };
    c.emit(GOVERNANCE, &event)?;
    Ok(id)
}

pub(super) fn parameters(
    c: &mut Ctx<'_>,
    simulation: B256,
    asked: &[IGovernance::Change],
) -> Res<u64> {
    let most = Parameter::ALL.len();
    if asked.is_empty() || asked.len() > most {
        let bound = if asked.is_empty() { 1 } else { most };
        return out_of_range("changes", U256::from(asked.len()), U256::from(bound));
    }
    let mut changes = Vec::new();
    let mut least = 1;
    for change in asked {
        // Ascending, so that none is there twice.
        let parameter = Parameter::from_number(change.parameter);
        let Some(parameter) = parameter.filter(|_| change.parameter >= least) else {
            return out_of_range("parameter", U256::from(change.parameter), U256::from(least));
        };
        least = change.parameter.saturating_add(1);
        changes.push(Change { parameter, value: change.value });
    }
    let now = latest(c)?;
    let new = changed(&now, &changes, rules(c)?).or_else(refused)?;
    if new == now {
        return revert(IGovernance::NothingNew {});
    }
    let id = open(c, Kind::Parameters, simulation, 0, 0)?;
    let list = CHANGES.at(&id);
    for Change { parameter, value } in changes {
        list.push(c, &Row { parameter: parameter.number(), value })?;
    }
    Ok(id)
}

pub(super) fn stream(c: &mut Ctx<'_>, simulation: B256, asked: &IGovernance::Terms) -> Res<u64> {
    let terms = Terms::from_abi(c, asked)?;
    let id = open(c, Kind::Stream, simulation, 0, 0)?;
    TERMS.at(&id).set(c, &terms)?;
    Ok(id)
}

pub(super) fn milestone(c: &mut Ctx<'_>, simulation: B256, stream: u64, milestone: u8) -> Res<u64> {
    treasury::check_milestone(c, stream, milestone)?;
    open(c, Kind::Milestone, simulation, stream, milestone)
}

pub(super) fn end(c: &mut Ctx<'_>, simulation: B256, stream: u64) -> Res<u64> {
    treasury::running(c, stream)?;
    open(c, Kind::End, simulation, stream, 0)
}

pub(super) fn guardian(c: &mut Ctx<'_>, simulation: B256, nominee: Address) -> Res<u64> {
    let id = open(c, Kind::Guardian, simulation, 0, 0)?;
    if nominee != Address::ZERO {
        NOMINEES.at(&id).set(c, &nominee)?;
    }
    Ok(id)
}

/// The changes of a proposal.
pub(super) fn changes(c: &mut Ctx<'_>, id: u64) -> Res<Vec<Change>> {
    let list = CHANGES.at(&id);
    let mut found = Vec::new();
    for i in 0..list.len(c)? {
        let Row { parameter, value } = list.at(i).get(c)?;
        if let Some(parameter) = Parameter::from_number(parameter) {
            found.push(Change { parameter, value });
        }
    }
    Ok(found)
}

pub(super) fn changes_of(c: &mut Ctx<'_>, id: u64) -> Res<Vec<IGovernance::Change>> {
    record::require(c, id)?;
    let row = |change: Change| IGovernance::Change {
        parameter: change.parameter.number(),
        value: change.value,
    };
    Ok(changes(c, id)?.into_iter().map(row).collect())
}

pub(super) fn terms_of(c: &mut Ctx<'_>, id: u64) -> Res<IGovernance::Terms> {
    record::require(c, id)?;
    Ok(TERMS.at(&id).get(c)?.to_abi())
}
