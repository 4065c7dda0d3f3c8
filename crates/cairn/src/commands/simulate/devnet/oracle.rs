//! Pushing the price: up, to mint credits at it; and down, to be paid more stones for one's own work.

use cairn_client::{BlockTag, LedgerRead as _, PriceReads as _};
use cairn_primitives::{MicroUsd, Stones};
use cairn_sim::economy::attacks::Attack;
use eyre::{Result, WrapErr as _};

use super::{
    Cases,
    account::Account,
    told,
    world::{POLL, World},
};

/// Micro-dollars of a dollar.
const USD: u64 = 1_000_000;
/// Dollars that push the pool up, and blocks for which the push is held against the market.
const PUSHES: [(&str, u64, u64); 4] = [
    ("push-0", 200_000 * USD, 0),
    ("push-1", 200_000 * USD, 8),
    ("push-2", 1_000_000 * USD, 0),
    ("push-3", 1_000_000 * USD, 8),
];
/// Credits and stones dumped, whole: own work that is paid while the price is held down.
const DOWNS: [(&str, u64, u64); 2] =
    [("down-0", 10_000 * USD, 400_000), ("down-1", 10_000 * USD, 4_000_000)];
/// Of the dollars of a push this part is kept to defend it, as a divisor.
const DEFENCE_DIVISOR: u64 = 2;
/// A push is defended when the price has come back by this much, ppm.
const GIVEN_PPM: u64 = 20_000;

/// All cases.
pub async fn play<'a>(world: &'a World<'a>) -> Result<Attack> {
    let mut best = Cases::new("oracle push");
    let mut pushed = Vec::new();
    for (name, dollars, blocks) in PUSHES {
        let mut account = Account::with_device(world, name).await?;
        account.take(MicroUsd(dollars + dollars / DEFENCE_DIVISOR)).await?;
        world.calm().await?;
        account.begin().await?;
        let settled = up(&mut account, MicroUsd(dollars), blocks)
            .await
            .wrap_err_with(|| format!("the attacker {name}"))?;
        pushed.push((account, settled, format!("up with ${} for {blocks} blocks", dollars / USD)));
    }
    for (account, settled, case) in pushed {
        if let Some(epoch) = settled {
            world.until_final(epoch).await?;
        }
        best.see(&case, account.profit().await?);
    }
    for (name, credits, stones) in DOWNS {
        let profit = super::run::crash(world, name, MicroUsd(credits), 1, stones).await?;
        best.see(&format!("down with {stones} stones for ${} of work", credits / USD), profit);
    }
    Ok(best.attack("oracle-push", "Pushing the pool's price"))
}

/// Buys, holds, mints as much as is let, sells, and spends the credits on oneself.
async fn up(
    account: &mut Account<'_>,
    dollars: MicroUsd,
    blocks: u64,
) -> Result<Option<cairn_primitives::Epoch>> {
    let (world, me) = (account.world, account.sender.address());
    let client = world.client();
    let mut bought = account.sender.buy_stones(dollars, Stones::ZERO).await?;
    let top = world.price().await?;
    let end = client.block_number().await? + blocks;
    while client.block_number().await? < end {
        let left = client.dollars(me, BlockTag::Latest).await?;
        let given = top.0.saturating_sub(world.price().await?.0) * 1_000_000 > top.0 * GIVEN_PPM;
        if given && left > MicroUsd::ZERO {
            let more = MicroUsd(left.0.min(dollars.0 / DEFENCE_DIVISOR));
            bought.0 += account.sender.buy_stones(more, Stones::ZERO).await?.0;
        }
        tokio::time::sleep(POLL).await;
    }
    let held = client.balance(me, BlockTag::Latest).await?.0.saturating_sub(bought.0);
    let budget = Stones(held / 10 * 9).to_micro_usd_floor(account.price());
    let credits = account.mint(budget).await?;
    account.sender.sell_stones(bought, MicroUsd::ZERO).await?;
    told(&format!("{}: minted ${credits} of credits at the pushed price", account.name));
    account.pay_self().await
}
