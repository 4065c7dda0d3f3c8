//! What the ledger says about an operator's seat: in this term and the next, or why it has none.

use alloy_primitives::{Address, B256};
use cairn_client::{BlockTag, LedgerClient, StakeReads as _};
use cairn_primitives::Genesis;
use eyre::Result;
use serde_json::{Value, json};

use crate::commands::stake::{Table, amount};

/// An operator's place among the validators.
pub struct Seats {
    /// The current term.
    pub term: u64,
    /// Keys of its seats in this term and in the next.
    pub keys: [Option<B256>; 2],
    /// Why there is no seat in the sets to come; empty when nothing stands in the way.
    pub reason: String,
    /// Seats of this term.
    pub count: usize,
    /// Key of the candidacy, where it is not that of the running term's seat.
    pub next_key: Option<B256>,
}

impl Seats {
    /// Reads it at the last block.
    pub async fn read(client: &LedgerClient, genesis: Genesis, operator: Address) -> Result<Self> {
        let table = Table::read(client, genesis).await?;
        let at = BlockTag::Number(table.height);
        let mut keys = [None, None];
        let mut count = 0;
        for (n, key) in (0..).zip(&mut keys) {
            let seats = client.seats(table.term + n, at).await?;
            if n == 0 {
                count = seats.len();
            }
            let own = seats.iter().find(|seat| seat.operator == operator);
            *key = own.map(|seat| seat.consensusKey);
        }
        let candidate = client.candidate(operator, at).await?;
        let reason = match &candidate {
            None => "it is no candidate: `cairn validator join`".to_owned(),
            Some(candidate) if candidate.status == 3 => {
                "it has left: `cairn validator join` stands again".to_owned()
            }
            Some(candidate) => {
                let trouble = table.trouble(candidate);
                let stake = amount(candidate.bond.saturating_add(candidate.delegated));
                let before = table.before(stake, candidate.since, operator);
                let most = table.genesis.stake.seats_max;
                if !trouble.is_empty() {
                    trouble
                } else if before >= usize::try_from(most).unwrap_or(usize::MAX) {
                    format!("{before} candidates have more stake, and there are {most} seats")
                } else {
                    String::new()
                }
            }
        };
        let candidacy = candidate.filter(|c| c.status != 3).map(|c| c.consensusKey);
        let next_key = candidacy.filter(|key| keys[0].is_some_and(|seat| seat != *key));
        Ok(Self { term: table.term, keys, reason, count, next_key })
    }

    /// Whether it has one in this term or the next.
    pub fn any(&self) -> bool {
        self.keys.iter().any(Option::is_some)
    }

    pub fn to_json(&self) -> Value {
        json!({
            "term": self.term, "seat": self.keys[0].is_some(), "next_seat": self.keys[1].is_some(),
            "seats": self.count, "reason": self.reason, "next_key": self.next_key.map(|key| key.to_string()),
        })
    }

    /// One or two lines.
    pub fn to_text(&self) -> String {
        let has = match self.keys.map(|key| key.is_some()) {
            [true, true] => "in this term and the next",
            [true, false] => "in this term, none in the next",
            [false, true] => "none in this term, one in the next",
            [false, false] => "none in this term and the next",
        };
        let why = match (&self.reason, self.keys[1]) {
            (reason, _) if !reason.is_empty() => format!(" ({reason})"),
            (_, None) => " (a seat is possible in the set that is fixed next)".to_owned(),
            _ => String::new(),
        };
        let key = self.next_key.map_or_else(String::new, |key| {
            format!("\nkey        {key} replaces it: `cairn validator rotate-key --finish` when its term begins")
        });
        format!("seat       {has}, term {}{why}{key}", self.term)
    }
}
