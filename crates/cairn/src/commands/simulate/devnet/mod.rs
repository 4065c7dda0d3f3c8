//! The attack suite against a network that runs: real validators, devices and blocks, and attackers who have what any
//! stranger has, an account, devices of their own and the public addresses. Nothing is valued by what should happen: an
//! attacker's profit is what its accounts hold afterwards less what they held before (docs/economy/attacks.md).
//!
//! ```text
//! genesis (scenario's economy, a pool) ─► beside(network) ─► Market (arbitrage) ‖ attackers, one file each ─► Attack
//! ```

mod account;
mod found;
mod lazy;
mod market;
mod oracle;
mod run;
mod sybils;
mod wash;
mod world;

use cairn_primitives::EconomyParams;
use cairn_sim::economy::attacks::{Attack, Best};
use eyre::Result;

use self::{found::Folder, lazy::Lazy, market::Market, world::World};
use crate::up::beside;

/// Plays the attacks of this half of the suite; what happens is told on stderr.
pub async fn suite(economy: &EconomyParams) -> Result<Vec<Attack>> {
    told("starting a network");
    let folder = Folder::new()?;
    let founded = found::found(folder.path(), economy)?;
    beside(&founded, async |hosted| {
        let world = World::new(hosted);
        let mut market = Market::new(&world)?;
        market.open().await?;
        let lazy = Lazy::new(&world, found::IDLE_SEAT);
        let played = tokio::select! {
            played = play(&world, &lazy) => played,
            never = lazy.run() => match never {},
            never = market.run() => match never {},
        };
        world.stop().await;
        played
    })
    .await
}

/// All attacks, in an order in which none disturbs another.
async fn play(world: &World<'_>, lazy: &Lazy<'_>) -> Result<Vec<Attack>> {
    let mut washers = wash::prepare(world).await?;
    let copying = sybils::prepare(world).await?;
    let mut wash = Cases::new("wash trading");
    wash::play(world, &mut washers, &mut wash).await?;
    let oracle = oracle::play(world).await?;
    let run = run::play(world).await?;
    // The second day has a budget for usage: the part that washing aims at.
    world.until_epoch(world.epochs_a_day() + 1).await?;
    wash::play(world, &mut washers, &mut wash).await?;
    let sybils = sybils::count(world, &copying, &washers).await?;
    Ok(vec![
        wash.attack("wash-trading", "Wash trading with oneself"),
        oracle,
        run,
        sybils,
        lazy.count().await?,
    ])
}

/// Progress for people, on stderr.
fn told(what: &str) {
    eprintln!("devnet: {what}");
}

/// The best of an attack's cases, each told.
struct Cases {
    told_as: &'static str,
    best: Best,
}

impl Cases {
    fn new(told_as: &'static str) -> Self {
        Self { told_as, best: Best::default() }
    }

    /// One case and its profit in micro-dollars.
    fn see(&mut self, case: &str, profit: i128) {
        let sign = if profit < 0 { "-" } else { "" };
        let size = u64::try_from(profit.unsigned_abs()).unwrap_or(u64::MAX);
        told(&format!(
            "{}, {case}: profit {sign}${}",
            self.told_as,
            cairn_primitives::MicroUsd(size)
        ));
        self.best.see(profit);
    }

    fn attack(self, name: &'static str, title: &'static str) -> Attack {
        self.best.attack(name, title)
    }
}
