//! `cairn swap`: dollars for stones and back, in the network's own pool.

use cairn_client::{BlockTag, PriceReads as _, Sender, has_pool};
use cairn_primitives::{MicroUsd, Stones, mul_div_floor};
use eyre::{Result, WrapErr as _, eyre};
use serde_json::json;

use crate::{
    cli::SwapArgs,
    output::{parse_stones, parse_usd, stones, usd},
    session::Session,
};

/// One, in millionths.
const PPM: u32 = 1_000_000;

/// Swaps, or shows what a swap would give.
pub async fn swap(args: &SwapArgs) -> Result<()> {
    let session = Session::open(&args.network).await?;
    if !has_pool(&session.client.limits(BlockTag::Latest).await?) {
        return Err(eyre!("this network has no pool: its genesis has no [pool] table"));
    }
    match (&args.usd, &args.stones) {
        (Some(text), _) => {
            let spent = parse_usd("--usd", text).map_err(|reason| eyre!(reason))?;
            buy(args, &session, spent).await
        }
        (None, Some(text)) => {
            let sold = parse_stones("--stones", text).map_err(|reason| eyre!(reason))?;
            sell(args, &session, sold).await
        }
        (None, None) => Err(eyre!("--usd or --stones says what to swap")),
    }
}

async fn buy(args: &SwapArgs, session: &Session, spent: MicroUsd) -> Result<()> {
    let quoted = session.client.quote_buy(spent, BlockTag::Latest).await?;
    let got = if args.quote {
        quoted
    } else {
        let sender = session.sender(&args.account)?;
        if args.faucet {
            take_missing(&sender, spent).await?;
        }
        let least = Stones(slipped(quoted.0, args.slip_ppm));
        sender.buy_stones(spent, least).await.wrap_err("buying stones")?
    };
    let value = json!({
        "account": args.account, "in_usd": spent.to_string(), "out_stones": got.to_string(), "quote": args.quote,
    });
    session.output.answer(&value, || told(args.quote, &usd(spent), &stones(got)));
    Ok(())
}

async fn sell(args: &SwapArgs, session: &Session, sold: Stones) -> Result<()> {
    let quoted = session.client.quote_sell(sold, BlockTag::Latest).await?;
    let got = if args.quote {
        quoted
    } else {
        let least = u64::try_from(slipped(quoted.0.into(), args.slip_ppm)).unwrap_or(u64::MAX);
        let sender = session.sender(&args.account)?;
        sender.sell_stones(sold, MicroUsd(least)).await.wrap_err("selling stones")?
    };
    let value = json!({
        "account": args.account, "in_stones": sold.to_string(), "out_usd": got.to_string(), "quote": args.quote,
    });
    session.output.answer(&value, || told(args.quote, &stones(sold), &usd(got)));
    Ok(())
}

fn told(quote: bool, given: &str, got: &str) -> String {
    if quote { format!("{given} would give {got}") } else { format!("{given} gave {got}") }
}

/// Takes from the faucet what an account lacks.
async fn take_missing(sender: &Sender, needed: MicroUsd) -> Result<()> {
    let held = sender.client().dollars(sender.address(), BlockTag::Latest).await?;
    let missing = MicroUsd(needed.0.saturating_sub(held.0));
    if missing > MicroUsd::ZERO {
        sender.take_dollars(missing).await.wrap_err("asking the faucet")?;
    }
    Ok(())
}

/// What is left of a quote when it slips, rounded down.
fn slipped(quoted: u128, slip_ppm: u32) -> u128 {
    mul_div_floor(quoted, PPM.saturating_sub(slip_ppm).into(), PPM.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::slipped;

    #[test]
    fn a_quote_slips_by_what_was_allowed() {
        assert_eq!(slipped(1_000, 10_000), 990);
        assert_eq!(slipped(1_000, 0), 1_000);
        assert_eq!(slipped(1_000, 2_000_000), 0);
        assert_eq!(slipped(99, 10_000), 98);
    }
}
