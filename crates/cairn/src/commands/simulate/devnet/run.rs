//! The credit run: credits bought at today's price are dollars; dump stones until the price falls, and have oneself paid for
//! the credits in the stones that are cheap now.

use cairn_client::{BlockTag, LedgerRead as _, PriceReads as _};
use cairn_primitives::{MicroUsd, STONE, Stones};
use cairn_sim::economy::attacks::Attack;
use eyre::Result;

use super::{
    Cases,
    account::Account,
    told,
    world::{POLL, World},
};

/// Micro-dollars of a dollar.
const USD: u64 = 1_000_000;
/// Credits of one half hour at most, half hours in which they are minted, and stones that are dumped.
const CASES: [(&str, u64, u32, u64); 4] = [
    ("run-0", 100_000 * USD, 1, 1_000_000),
    ("run-1", 100_000 * USD, 1, 5_000_000),
    ("run-2", 700_000 * USD, 1, 5_000_000),
    ("run-3", 600_000 * USD, 2, 4_000_000),
];
/// The dump is repeated when the price has come back by this much, ppm.
const GIVEN_PPM: u64 = 20_000;
/// A repeated dump is this part of the first, as a divisor.
const AGAIN_DIVISOR: u128 = 4;
/// Stones that are never sold: fees.
const KEPT: u128 = 1_000 * STONE;

/// All cases.
pub async fn play<'a>(world: &'a World<'a>) -> Result<Attack> {
    let mut best = Cases::new("credit run");
    for (name, credits, windows, stones) in CASES {
        let profit = crash(world, name, MicroUsd(credits), windows, stones).await?;
        let case = format!("${} in {windows} half hours, {stones} stones dumped", credits / USD);
        best.see(&case, profit);
    }
    Ok(best.attack("credit-run", "Credits spent after a crash"))
}

/// Mints, dumps, settles with oneself, holds the price down until the epoch's price is fixed, buys back; the profit.
pub async fn crash<'a>(
    world: &'a World<'a>,
    name: &str,
    credits: MicroUsd,
    windows: u32,
    dumped: u64,
) -> Result<i128> {
    let mut account = Account::with_device(world, name).await?;
    world.calm().await?;
    account.begin().await?;
    let mut minted = 0;
    for window in 0..windows {
        if window > 0 {
            another_half_hour(world).await?;
        }
        minted += account.mint(credits).await?.0;
    }
    let dump = Stones(u128::from(dumped) * STONE);
    account.sender.sell_stones(dump, MicroUsd::ZERO).await?;
    let bottom = world.price().await?;
    let settled = account.pay_self().await?;
    let paid_in = match settled {
        Some(epoch) => epoch,
        None => world.epoch().await?,
    };
    // The price of an epoch is fixed by the first block after it.
    let (client, me) = (world.client(), account.sender.address());
    while world.epoch().await? <= paid_in {
        let back = world.price().await?.0.saturating_sub(bottom.0) * 1_000_000;
        let free = client.balance(me, BlockTag::Latest).await?.0.saturating_sub(KEPT);
        let more = (dump.0 / AGAIN_DIVISOR).min(free);
        if back > bottom.0 * GIVEN_PPM && more > 0 {
            account.sender.sell_stones(Stones(more), MicroUsd::ZERO).await?;
        }
        tokio::time::sleep(POLL).await;
    }
    let dollars = client.dollars(me, BlockTag::Latest).await?;
    account.sender.buy_stones(dollars, Stones::ZERO).await?;
    told(&format!(
        "{name}: ${} of credits, the price from ${} down to ${bottom}",
        MicroUsd(minted),
        account.price(),
    ));
    world.until_final(paid_in).await?;
    account.profit().await
}

/// Waits for the next half hour of minting.
async fn another_half_hour(world: &World<'_>) -> Result<()> {
    let now = world.client().limits(BlockTag::Latest).await?.windowEndMs;
    world
        .until("the next half hour", async || {
            Ok(world.client().limits(BlockTag::Latest).await?.windowEndMs > now)
        })
        .await
}
