//! `cairn validator raise|leave|exit|unjail|commission|income`: the life of a candidacy after `join`.

use cairn_client::{BlockTag, Reads as _, StakeReads as _};
use cairn_primitives::{STONE, Stones};
use eyre::{Result, bail, eyre};
use serde_json::json;

use super::operator::Operator;
use crate::{
    cli::{CommissionArgs, IncomeArgs, OperatorArgs, RaiseArgs},
    commands::stake::{amount, refused, worth},
    output::{fixed_point, parse_stones, percent, when},
};

/// Stones for the fees of one transaction, with much to spare.
const FEE: Stones = Stones(STONE / 10);

/// Adds to the bond.
pub async fn raise(args: &RaiseArgs) -> Result<()> {
    let stones = parse_stones("STONES", &args.stones).map_err(|reason| eyre!(reason))?;
    if stones == Stones::ZERO {
        bail!("STONES is {}: write how many to add", args.stones);
    }
    let operator = Operator::open(&args.operator).await?;
    operator.needs(stones.add(FEE)?).await?;
    let sent = operator.sender.raise_bond(stones).await.map_err(refused)?;
    let bond = amount(sent.event::<cairn_primitives::abi::IStake::BondRaised>()?.bond);
    let price = operator.client().price(BlockTag::Latest).await?;
    let value = json!({
        "operator": operator.sender.address().to_string(), "added_stones": stones.to_string(),
        "bond_stones": bond.to_string(), "bond_usd": bond.to_micro_usd_floor(price).to_string(),
        "transaction": sent.hash.to_string(),
    });
    operator.output.answer(&value, || {
        format!("the bond is {}; it counts in sets that are fixed from now on", worth(bond, price))
    });
    Ok(())
}

/// Takes no seat from the next set on.
pub async fn leave(args: &OperatorArgs) -> Result<()> {
    let operator = Operator::open(args).await?;
    operator.needs(FEE).await?;
    let sent = operator.sender.leave_candidacy().await.map_err(refused)?;
    let term = operator.genesis.term_of(sent.block);
    // The set of the next term may hold the seat already.
    let exit = term + 2;
    let first = operator.genesis.term_start(exit);
    let value = json!({
        "operator": operator.sender.address().to_string(), "term": term, "exit_term": exit,
        "exit_block": first, "transaction": sent.hash.to_string(),
    });
    operator.output.answer(&value, || {
        format!(
            "left in term {term}: seats of terms {term} and {} are served out, so keep the node running;\n\
             from term {exit} on (block {first}) `cairn validator exit` begins to unbond the bond",
            term + 1
        )
    });
    Ok(())
}

/// Begins to unbond the bond.
pub async fn exit(args: &OperatorArgs) -> Result<()> {
    let operator = Operator::open(args).await?;
    operator.needs(FEE).await?;
    let (sent, ready) = operator.sender.exit_candidacy().await.map_err(refused)?;
    let value = json!({
        "operator": operator.sender.address().to_string(), "ready_ms": ready.0,
        "transaction": sent.hash.to_string(),
    });
    operator.output.answer(&value, || {
        format!(
            "the bond unbonds until {} of the network's time; then `cairn stake withdraw --validator {}` pays it\n\
             the node may stop now; until the bond is withdrawn it can be slashed for what the node did before",
            when(ready),
            operator.dir.display()
        )
    });
    Ok(())
}

/// Stands again after an absence.
pub async fn unjail(args: &OperatorArgs) -> Result<()> {
    let operator = Operator::open(args).await?;
    operator.needs(FEE).await?;
    let sent = operator.sender.unjail().await.map_err(refused)?;
    let term = operator.genesis.term_of(sent.block) + 2;
    let value = json!({
        "operator": operator.sender.address().to_string(), "first_term": term,
        "transaction": sent.hash.to_string(),
    });
    operator
        .output
        .answer(&value, || format!("stands again: a seat is possible from term {term} on"));
    Ok(())
}

/// Sets the commission.
pub async fn commission(args: &CommissionArgs) -> Result<()> {
    let ppm = parse_commission(&args.commission)?;
    let operator = Operator::open(&args.operator).await?;
    let most = operator.genesis.stake.commission_max_ppm;
    if ppm > most {
        bail!(
            "PPM|PERCENT% is {}: this network allows at most {} ({most} ppm)",
            args.commission,
            percent(most)
        );
    }
    operator.needs(FEE).await?;
    let from = operator.sender.set_commission(ppm).await.map_err(refused)?;
    let value = json!({
        "operator": operator.sender.address().to_string(), "commission_ppm": ppm, "from_term": from,
    });
    operator
        .output
        .answer(&value, || format!("the commission is {} from term {from} on", percent(ppm)));
    Ok(())
}

/// Millionths, or a percentage with a sign and at most four decimals.
fn parse_commission(text: &str) -> Result<u32> {
    let wrong =
        || eyre!("PPM|PERCENT% is `{text}`: write millionths like 50000, or a percentage like 5%");
    let ppm = match text.trim().strip_suffix('%') {
        Some(percentage) => fixed_point(percentage.trim(), 4),
        None => fixed_point(text.trim(), 0),
    };
    ppm.and_then(|ppm| u32::try_from(ppm).ok()).ok_or_else(wrong)
}

/// Shows the income, and pays it out with `--claim`.
pub async fn income(args: &IncomeArgs) -> Result<()> {
    let operator = Operator::open(&args.operator).await?;
    let (sender, client) = (&operator.sender, operator.client());
    let stones = if args.claim {
        operator.needs(FEE).await?;
        sender.claim_income().await.map_err(refused)?
    } else {
        sender.income().await.map_err(refused)?
    };
    let price = client.price(BlockTag::Latest).await?;
    let term = client.term(BlockTag::Latest).await?.current;
    let value = json!({
        "operator": sender.address().to_string(), "usd": stones.to_micro_usd_floor(price).to_string(),
        "stones": stones.to_string(), "claimed": args.claim, "earned_before_term": term,
    });
    operator.output.answer(&value, || {
        if args.claim {
            return format!("{} paid to {}", worth(stones, price), sender.address());
        }
        format!(
            "{} can be claimed: `cairn validator income --claim`\nwhat term {term} earns is divided when it is over",
            worth(stones, price)
        )
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commission_is_millionths_or_a_percentage() {
        for (text, ppm) in [("50000", 50_000), ("5%", 50_000), ("0.05 %", 500), ("0", 0)] {
            assert_eq!(parse_commission(text).expect("a commission"), ppm, "{text}");
        }
        for text in ["", "%", "-1", "5.5", "0.00001%", "five", "99999999999"] {
            assert!(parse_commission(text).is_err(), "{text}");
        }
    }
}
