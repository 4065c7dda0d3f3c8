//! `cairn stake list`: candidates in the order in which the next election would seat them.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use cairn_client::{
    BlockTag, ClientError, LedgerClient, Reads as _, StakeReads as _, Standing as _,
};
use cairn_primitives::{Genesis, MicroUsd, Stones, abi::IStake};
use eyre::{Result, WrapErr as _};
use serde_json::{Value, json};

use super::{amount, worth};
use crate::{
    cli::NetworkArgs,
    output::{percent, table},
    session::Session,
};

/// What the ledger says about everybody who stands, at one block.
pub struct Table {
    /// The network's rules.
    pub genesis: Genesis,
    /// The current term.
    pub term: u64,
    /// The last block.
    pub height: u64,
    /// Micro-dollars per STONE.
    pub price: MicroUsd,
    /// Who ever stood and has not left, the first seat first; those who do not stand come last.
    pub candidates: Vec<IStake::Candidate>,
    /// Operators with a seat in this term and in the next.
    pub seated: [BTreeSet<Address>; 2],
    at: BlockTag,
}

impl Table {
    /// Reads it at the last block.
    pub async fn read(client: &LedgerClient, genesis: Genesis) -> Result<Self, ClientError> {
        let height = client.latest().await?.number;
        let at = BlockTag::Number(height);
        let term = client.term(at).await?.current;
        let seat_bond = genesis.seat_bond();
        let mut candidates = client.candidates(at).await?;
        candidates.retain(|candidate| candidate.status != 3);
        candidates.sort_by_key(|candidate| (!candidate.stands(seat_bond), candidate.rank()));
        let mut seated = [BTreeSet::new(), BTreeSet::new()];
        for (set, term) in seated.iter_mut().zip([term, term + 1]) {
            set.extend(client.seats(term, at).await?.into_iter().map(|seat| seat.operator));
        }
        let price = client.price(at).await?;
        Ok(Self { genesis, term, height, price, candidates, seated, at })
    }

    /// How many who stand come before a candidate with this rank's stake and age, if it stands.
    pub fn before(&self, stake: Stones, since: u64, operator: Address) -> usize {
        let seat_bond = self.genesis.seat_bond();
        let mine = (std::cmp::Reverse(stake.0), since, operator);
        let standing = self.candidates.iter().filter(|c| c.stands(seat_bond));
        standing.filter(|c| c.operator != operator && c.rank() < mine).count()
    }

    /// Name in genesis; others have none.
    fn name(&self, operator: Address) -> Option<&str> {
        let named = self.genesis.validators.iter().find(|v| v.operator == operator);
        named.map(|validator| validator.name.as_str())
    }

    /// Why a candidate does not stand; empty when it does.
    pub fn trouble(&self, candidate: &IStake::Candidate) -> String {
        let mut words = Vec::new();
        if candidate.banned {
            words.push("banned".to_owned());
        }
        if candidate.jailedTerm > 0 {
            words.push(format!("jailed for term {}", candidate.jailedTerm - 1));
        }
        if candidate.status == 2 {
            words.push("leaving".to_owned());
        }
        if candidate.status == 1 && words.is_empty() && !candidate.stands(self.genesis.seat_bond())
        {
            words.push("bond too low".to_owned());
        }
        words.join(", ")
    }
}

/// Shows every candidate.
pub async fn list(args: &NetworkArgs) -> Result<()> {
    let session = Session::open(args).await?;
    let client = &session.client;
    let genesis =
        toml::from_str(&client.genesis().await?).wrap_err("parsing the node's genesis")?;
    let read = Table::read(client, genesis).await?;
    let mut presence = BTreeMap::new();
    for operator in &read.seated[0] {
        presence.insert(*operator, client.presence(read.term, *operator, read.at).await?);
    }
    let lines: Vec<Value> =
        read.candidates.iter().map(|c| line(&read, c, presence.get(&c.operator))).collect();
    let value = json!({
        "term": read.term, "term_blocks": read.genesis.stake.term_blocks, "height": read.height,
        "seat_bond_stones": read.genesis.seat_bond().to_string(), "price_usd": read.price.to_string(),
        "candidates": lines,
    });
    session.output.answer(&value, || {
        let head = [
            "",
            "name",
            "operator",
            "bond",
            "delegated",
            "commission",
            "seat",
            "proposed",
            "voted",
            "",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for (place, candidate) in read.candidates.iter().enumerate() {
            rows.push(row(&read, place, candidate, presence.get(&candidate.operator)));
        }
        format!(
            "term {} (block {} of {}), a seat's bond is {}\n{}",
            read.term,
            read.height - read.genesis.term_start(read.term),
            read.genesis.stake.term_blocks,
            worth(read.genesis.seat_bond(), read.price),
            table(&rows)
        )
    });
    Ok(())
}

fn line(
    read: &Table,
    candidate: &IStake::Candidate,
    presence: Option<&IStake::presenceReturn>,
) -> Value {
    let dollars = |stones: Stones| stones.to_micro_usd_floor(read.price).to_string();
    let (bond, delegated) = (amount(candidate.bond), amount(candidate.delegated));
    let operator = candidate.operator;
    json!({
        "name": read.name(operator), "operator": operator.to_string(), "consensus_key": candidate.consensusKey.to_string(),
        "bond_usd": dollars(bond), "bond_stones": bond.to_string(),
        "delegated_usd": dollars(delegated), "delegated_stones": delegated.to_string(),
        "commission_ppm": commission(read, candidate), "seat": read.seated[0].contains(&operator),
        "next_seat": read.seated[1].contains(&operator),
        "stands": candidate.stands(read.genesis.seat_bond()),
        "banned": candidate.banned, "jailed_term": candidate.jailedTerm.checked_sub(1), "leaving": candidate.status == 2,
        "presence": presence.map(|p| json!({
            "proposed": p.proposed, "proposals_due": p.proposalsDue, "voted": p.voted, "votes_due": p.votesDue,
        })),
    })
}

fn row(
    read: &Table,
    place: usize,
    candidate: &IStake::Candidate,
    presence: Option<&IStake::presenceReturn>,
) -> Vec<String> {
    let money = |value| worth(amount(value), read.price);
    let operator = candidate.operator;
    let seat = match [0, 1].map(|n| read.seated[n].contains(&operator)) {
        [true, true] => "this, next term",
        [true, false] => "this term",
        [false, true] => "next term",
        [false, false] => "-",
    };
    let done = |of: fn(&IStake::presenceReturn) -> (u64, u64)| {
        presence.map(of).map_or_else(|| "-".to_owned(), |(done, due)| format!("{done}/{due}"))
    };
    vec![
        (place + 1).to_string(),
        read.name(operator).unwrap_or("-").to_owned(),
        operator.to_string(),
        money(candidate.bond),
        money(candidate.delegated),
        percent(commission(read, candidate)),
        seat.to_owned(),
        done(|p| (p.proposed, p.proposalsDue)),
        done(|p| (p.voted, p.votesDue)),
        read.trouble(candidate),
    ]
}

/// The commission of this term, ppm.
fn commission(read: &Table, candidate: &IStake::Candidate) -> u32 {
    if read.term >= candidate.nextCommissionTerm {
        candidate.nextCommissionPpm
    } else {
        candidate.commissionPpm
    }
}
