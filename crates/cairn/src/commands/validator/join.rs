//! `cairn validator join`: what would a seat earn, who comes first, from when would it vote? Then, with `--yes`, the bond.

use alloy_primitives::B256;
use cairn_client::{LedgerClient, Reads as _, Standing as _};
use cairn_primitives::{
    STONE, Stones,
    abi::{IStake, STAKE},
};
use eyre::{Result, bail, eyre};
use serde_json::{Value, json};

use super::operator::Operator;
use crate::{
    cli::SeatArgs,
    commands::stake::{Table, amount, refused, worth},
    output::parse_stones,
};

/// Stones beyond the bond that an operator needs for fees.
const FEE_STONES: u128 = STONE;
/// Blocks in which earnings are looked for: what a node answers in one request.
const EARNED_BLOCKS: u64 = 9_000;
/// A candidacy counts in the set of the term after the next: the next term's is fixed already.
const TERMS_UNTIL_SEATED: u64 = 2;

/// What standing for a seat would bring.
struct Outlook {
    bond: Stones,
    table: Table,
    /// Candidates with more stake, or as much.
    before: usize,
    /// What all seats earned in the blocks that were looked at, and those blocks.
    earned: Stones,
    blocks: u64,
    key: B256,
}

/// Shows the outlook; with `--yes` stands for a seat.
pub async fn join(args: &SeatArgs) -> Result<()> {
    let bond = parse_stones("--bond", &args.bond).map_err(|reason| eyre!(reason))?;
    let operator = Operator::open(&args.operator).await?;
    let outlook = look(&operator, bond).await?;
    let least = operator.genesis.seat_bond();
    if bond < least {
        let price = outlook.table.price;
        bail!(
            "--bond is {}: a seat's bond is at least {}",
            worth(bond, price),
            worth(least, price)
        );
    }
    let sent = if args.yes {
        operator.needs(bond.add(Stones(FEE_STONES))?).await?;
        let possession = operator.possession(&operator.keys.consensus)?;
        let stood = operator.sender.stand(&possession, bond).await;
        Some(stood.map_err(refused)?)
    } else {
        None
    };
    let me = operator.sender.address();
    let mut value = outlook.to_json();
    value["operator"] = json!(me.to_string());
    value["transaction"] = json!(sent.as_ref().map(|sent| sent.hash.to_string()));
    operator.output.answer(&value, || {
        let end = match &sent {
            None => "Nothing was paid. Add --yes to lock the bond and stand.".to_owned(),
            Some(sent) => format!(
                "{me} stands, by transaction {}. Keep the node running: `cairn validator status` says when it has a seat.",
                sent.hash
            ),
        };
        format!("{}\n\n{end}", outlook.to_text())
    });
    Ok(())
}

async fn look(operator: &Operator, bond: Stones) -> Result<Outlook> {
    let client = operator.client();
    let table = Table::read(client, operator.genesis.clone()).await?;
    let (earned, blocks) = earned(client, table.height).await?;
    // Who comes later comes after everybody with the same stake.
    let before = table.before(bond, u64::MAX, operator.sender.address());
    let key = operator.keys.consensus_key();
    Ok(Outlook { bond, table, before, earned, blocks, key })
}

/// What all validators and their delegators earned in the last blocks, and how many; none at a node that began later.
async fn earned(client: &LedgerClient, height: u64) -> Result<(Stones, u64)> {
    let from = height.saturating_sub(EARNED_BLOCKS);
    let events = match client.events::<IStake::Earned>(STAKE, from, Some(height)).await {
        Err(error) if error.is_pruned() => return Ok((Stones::ZERO, 0)),
        events => events?,
    };
    let all = events.iter().map(|(_, e)| e.operatorStones.saturating_add(e.delegatorStones));
    let sum = all.fold(alloy_primitives::U256::ZERO, |sum, stones| sum.saturating_add(stones));
    Ok((amount(sum), height - from))
}

impl Outlook {
    fn seats_max(&self) -> usize {
        usize::try_from(self.table.genesis.stake.seats_max).unwrap_or(usize::MAX)
    }

    fn first_term(&self) -> u64 {
        self.table.term + TERMS_UNTIL_SEATED
    }

    /// What one seat earned in the blocks that were looked at.
    fn per_seat(&self) -> Stones {
        Stones(self.earned.0 / self.table.seated[0].len().max(1) as u128)
    }

    fn to_json(&self) -> Value {
        let price = self.table.price;
        let (term, genesis) = (self.first_term(), &self.table.genesis);
        json!({
            "bond_usd": self.bond.to_micro_usd_floor(price).to_string(), "bond_stones": self.bond.to_string(),
            "consensus_key": self.key.to_string(),
            "candidates_before": self.before, "seats_max": genesis.stake.seats_max, "seat": self.before < self.seats_max(),
            "first_term": term, "first_block": genesis.term_start(term), "height": self.table.height,
            "seat_earned_usd": self.per_seat().to_micro_usd_floor(price).to_string(),
            "seat_earned_stones": self.per_seat().to_string(), "earned_blocks": self.blocks,
        })
    }

    fn to_text(&self) -> String {
        let Self { bond, table, before, blocks, .. } = self;
        let stake = &table.genesis.stake;
        let (term, seats) = (self.first_term(), self.seats_max());
        let first = table.genesis.term_start(term);
        let standing = table.candidates.iter().filter(|c| c.stands(table.genesis.seat_bond()));
        let place = if *before < seats {
            format!("a seat, if nobody with more stake comes: {seats} there are")
        } else {
            format!("NO SEAT: {seats} there are; a higher bond or delegations are needed")
        };
        let earned = match blocks {
            0 => "not known: this node began later; ask another with --rpc".to_owned(),
            _ => format!(
                "{} a seat in the last {blocks} blocks, before delegators' part",
                worth(self.per_seat(), table.price)
            ),
        };
        format!(
            "SEAT of a validator with a bond of {}\n\
             earned     {earned}\n\
             standing   {} candidates, {before} of them with as much stake or more\n\
             place      {place}\n\
             votes      from term {term} on, block {first}: {} blocks from now\n\
             at risk    {}, {} and {} ppm of the stake for equivocation, wrong votes and absence",
            worth(*bond, table.price),
            standing.count(),
            first.saturating_sub(table.height),
            stake.equivocation_ppm,
            stake.wrong_vote_ppm,
            stake.absence_ppm,
        )
    }
}
