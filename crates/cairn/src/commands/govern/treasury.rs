//! `cairn treasury …`: what it holds, what it streams, and what insiders got.

use cairn_client::{BlockTag, GovernanceReads as _, Reads as _};
use cairn_primitives::{
    MicroUsd, Stones,
    abi::{ITreasury, TREASURY},
};
use eyre::{Result, eyre};
use serde_json::{Value, json};

use super::{governed, open, refused};
use crate::{
    cli::{IdArgs, NetworkArgs, PayerArgs, TreasuryCommand},
    commands::stake::{amount, worth},
    output::{parse_stones, table},
    session::Session,
};

/// Streams that `show` lists.
const SHOWN: u64 = 64;

/// Shows the treasury, or pays into or out of it.
pub async fn treasury(command: &TreasuryCommand) -> Result<()> {
    match command {
        TreasuryCommand::Show(args) => show(args).await,
        TreasuryCommand::Claim(args) => claim(args).await,
        TreasuryCommand::Fund { stones, payer } => fund(stones, payer).await,
    }
}

async fn show(args: &NetworkArgs) -> Result<()> {
    let session = Session::open(args).await?;
    let client = &session.client;
    governed(client).await?;
    let at = BlockTag::Number(client.latest().await?.number);
    let price = client.price(at).await?;
    let accounts = client.view(TREASURY, ITreasury::accountsCall {}, at).await?;
    let streams = client.streams(SHOWN, at).await?;
    let dollars = |value| amount(value).to_micro_usd_floor(price).to_string();
    let text = |value| amount(value).to_string();
    let value = json!({
        "balance_usd": dollars(accounts.balance), "balance_stones": text(accounts.balance),
        "promised_usd": dollars(accounts.promised), "promised_stones": text(accounts.promised),
        "pace_usd": dollars(accounts.pace), "pace_limit_usd": dollars(accounts.paceLimit),
        "spent_usd": dollars(accounts.spent), "spent_stones": text(accounts.spent),
        "left_usd": dollars(accounts.left), "left_stones": text(accounts.left),
        "to_insiders_usd": dollars(accounts.toInsiders), "to_insiders_stones": text(accounts.toInsiders),
        "streams": streams.iter().map(|stream| line(stream, price)).collect::<Vec<_>>(),
    });
    session.output.answer(&value, || {
        let money = |value| worth(amount(value), price);
        let head = ["", "recipient", "", "total", "unlocked", "paid", "milestones", "status"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for stream in &streams {
            rows.push(vec![
                stream.id.to_string(),
                stream.recipient.to_string(),
                if stream.insider { "insider".to_owned() } else { String::new() },
                money(stream.stones),
                money(stream.unlocked),
                money(stream.paid),
                format!("{}/{}", stream.reached, stream.milestones),
                status(stream.status).to_owned(),
            ]);
        }
        format!(
            "treasury {}, {} promised\nin 30 days {} paid, {} may be paid now; its streams pay {} of {}\n\
             insiders got {} in all\n{}",
            money(accounts.balance),
            money(accounts.promised),
            money(accounts.spent),
            money(accounts.left),
            money(accounts.pace),
            money(accounts.paceLimit),
            money(accounts.toInsiders),
            if streams.is_empty() { "no streams yet".to_owned() } else { table(&rows) }
        )
    });
    Ok(())
}

const fn status(number: u8) -> &'static str {
    match number {
        1 => "running",
        2 => "ended by a vote",
        _ => "paid out",
    }
}

fn line(stream: &ITreasury::Stream, price: MicroUsd) -> Value {
    let dollars = |value| amount(value).to_micro_usd_floor(price).to_string();
    json!({
        "id": stream.id, "proposal": stream.proposal, "recipient": stream.recipient.to_string(),
        "insider": stream.insider, "status": status(stream.status),
        "usd": dollars(stream.stones), "stones": amount(stream.stones).to_string(),
        "unlocked_usd": dollars(stream.unlocked), "paid_usd": dollars(stream.paid),
        "paid_stones": amount(stream.paid).to_string(), "start_ms": stream.startMs,
        "length_ms": stream.lengthMs, "milestones": stream.milestones, "reached": stream.reached,
    })
}

async fn claim(args: &IdArgs) -> Result<()> {
    let (sender, output, _) = open(&args.payer).await?;
    let paid = sender.claim_stream(args.id).await.map_err(refused)?;
    let price = sender.client().price(BlockTag::Latest).await?;
    let sum: Stones = amount(paid.stones);
    let value = json!({
        "id": args.id, "recipient": paid.recipient.to_string(), "insider": paid.insider,
        "usd": sum.to_micro_usd_floor(price).to_string(), "stones": sum.to_string(),
    });
    output.answer(&value, || {
        format!("stream {}: {} paid to {}", args.id, worth(sum, price), paid.recipient)
    });
    Ok(())
}

async fn fund(text: &str, payer: &PayerArgs) -> Result<()> {
    let given = parse_stones("STONES", text).map_err(|reason| eyre!(reason))?;
    let (sender, output, _) = open(payer).await?;
    let sent = sender.fund_treasury(given).await.map_err(refused)?;
    let price = sender.client().price(BlockTag::Latest).await?;
    let value = json!({
        "usd": given.to_micro_usd_floor(price).to_string(), "stones": given.to_string(),
        "transaction": sent.hash.to_string(),
    });
    output.answer(&value, || format!("{} given to the treasury", worth(given, price)));
    Ok(())
}
