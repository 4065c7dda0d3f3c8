//! Wash trading: an owner's consumer pays the owner's device, for the subsidy that usage brings.
//!
//! The device measures honestly, so it also earns what presence brings, with or without the wash. That part is taken off:
//! it is the device's subsidy less its usage subsidy, which follows from what the ledger shows (docs/spec/rewards.md §2).

use cairn_client::{BlockTag, Reads as _};
use cairn_primitives::{DeviceId, Epoch, MicroUsd};
use eyre::{Result, WrapErr as _};

use super::{
    Cases,
    account::{Account, Holdings},
    world::World,
};
use crate::session::SECTOR;

/// Micro-dollars of a dollar.
const USD: u64 = 1_000_000;
/// What is washed in one epoch.
const SIZES: [u64; 3] = [USD, 100 * USD, 10_000 * USD];
/// Epochs in which a new device gets a score before it is paid.
const SCORED_EPOCHS: u64 = 3;
/// Distance between the attackers' devices, 1e-7 degrees to the north.
const APART_E7: i32 = 900;

/// Registers and plugs in a device for each size, near an airport of the fleet.
pub async fn prepare<'a>(world: &'a World<'a>) -> Result<Vec<Account<'a>>> {
    let mut accounts = Vec::new();
    for (index, near) in ["EWR-1", "JFK-1", "LGA-1"].into_iter().enumerate() {
        let name = format!("wash-{index}");
        let station = world.own_station(&name, near, APART_E7)?;
        let mut account = Account::new(world, &name);
        let device = world.register(&account.sender, &name, station.position).await?;
        world.plug_in(&station, device).await?;
        account.devices.push(device);
        accounts.push(account);
    }
    let registered = world.epoch().await?.0;
    world.until_final(Epoch(registered + SCORED_EPOCHS)).await?;
    Ok(accounts)
}

/// One wash of each size, all in one epoch or two.
pub async fn play(world: &World<'_>, accounts: &mut [Account<'_>], best: &mut Cases) -> Result<()> {
    world.calm().await?;
    let mut last = None;
    for (account, size) in accounts.iter_mut().zip(SIZES) {
        account.begin().await?;
        account.mint(MicroUsd(size)).await?;
        let settled = account.pay_self().await.wrap_err("washing")?;
        last = last.max(settled);
    }
    if let Some(epoch) = last {
        world.until_final(epoch).await?;
    }
    let day = world.epoch().await?.0 / world.epochs_a_day();
    for (account, size) in accounts.iter().zip(SIZES) {
        let profit = account.profit().await?
            - presence(world, &account.devices, account.from(), account.price()).await?;
        best.see(&format!("${} on day {day}", size / USD), profit);
    }
    Ok(())
}

/// What devices earned since epoch `from` by being there, whoever paid them: micro-dollars, stones at `price`.
pub async fn presence(
    world: &World<'_>,
    devices: &[DeviceId],
    from: Epoch,
    price: MicroUsd,
) -> Result<i128> {
    let client = world.client();
    let params = &world.genesis().economy;
    let mut stones = 0;
    for epoch in (from.0..world.next_final().await?.0).map(Epoch) {
        let lines = client.earned(epoch, SECTOR, BlockTag::Latest).await?;
        let all: u128 = lines.iter().map(|(_, paid)| u128::from(paid.0)).sum();
        let pool = client.pool(epoch, SECTOR, BlockTag::Latest).await?;
        for reward in world.session().rewards(epoch).await? {
            if !devices.contains(&reward.device) || reward.subsidy.0 == 0 {
                continue;
            }
            let paid = lines.iter().find(|(device, _)| *device == reward.device);
            let paid = paid.map_or(MicroUsd::ZERO, |(_, paid)| *paid);
            let share = u128::from(pool.usageSubsidyMicroUsd) * u128::from(paid.0) / all.max(1);
            let most = paid.ppm_floor(params.fee_burn_ppm).ppm_floor(params.match_ppm);
            let usage = share.min(most.0.into());
            let whole = u128::from(reward.subsidy.0);
            let need = whole.saturating_sub(usage);
            // Rounded down: what is not sure to be presence counts for the attacker.
            stones += reward.subsidy_stones.0 / whole * need;
        }
    }
    let without = Holdings { stones, ..Holdings::default() };
    Ok(without.since(Holdings::default(), price))
}
