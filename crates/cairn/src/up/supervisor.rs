//! Watches the ledger of a local network: raises the replay clock's limit, tells events, pays out rewards, knows when to stop.

use std::{sync::Arc, time::Duration};

use cairn_client::{BlockTag, PriceOf, PriceReads as _, Reads as _};
use cairn_kit::NetworkClock;
use cairn_primitives::{Epoch, TimeMs};
use eyre::Result;
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};

use crate::{
    cli::{Until, UpArgs},
    commands::{Paid, claim_for_all},
    output::{stones, table, usd},
    session::{SECTOR, Session},
    up::{
        founding::Founded,
        governor::{Facts, Windows, limit},
        narrator::Narrator,
        results::{EpochResult, Results},
        services::Services,
    },
};

/// Everything the supervisor looks at.
pub struct Supervisor<'a> {
    /// The command's flags.
    pub args: &'a UpArgs,
    /// The network.
    pub founded: &'a Founded,
    /// What runs.
    pub services: &'a Services,
    /// Its node and files, as every command sees them.
    pub session: &'a Session,
    /// The clock that it governs.
    pub clock: &'a NetworkClock,
    /// Where final epochs are added up.
    pub results: &'a Arc<Results>,
    /// Epochs in which the consumer's purchase is settled.
    pub purchased: watch::Receiver<u64>,
    /// Who tells.
    pub narrator: &'a Narrator,
}

/// What changes while it runs.
#[derive(Default)]
struct Progress {
    /// Next epoch whose rewards are looked at for claims.
    claimed_in: Option<Epoch>,
    first_reward_ms: Option<u64>,
    /// The limit at which the clock stands, and since when.
    held: Option<(TimeMs, Instant)>,
}

impl Supervisor<'_> {
    /// Supervises until `--until` is reached; then returns the report. Without `--until` only an error ends it.
    pub async fn run(&self) -> Result<Option<Value>> {
        let mut progress = Progress::default();
        // What an earlier run made final is added up, and was told then.
        self.add_final_epochs(false).await?;
        loop {
            self.govern(&mut progress).await?;
            self.add_final_epochs(true).await?;
            self.pay_out(&mut progress).await;
            let reached = match self.args.until {
                None => false,
                Some(Until::FirstReward) => progress.first_reward_ms.is_some(),
                Some(Until::Epochs(count)) => self.results.finalised() >= count,
            };
            if reached {
                return Ok(Some(self.report(&progress).await?));
            }
            self.narrator.wait().await;
        }
    }

    async fn govern(&self, progress: &mut Progress) -> Result<()> {
        let now = TimeMs(self.clock.now_ms());
        let facts = self.facts(now).await?;
        let genesis = &self.founded.genesis;
        let windows = Windows {
            schedule: genesis.schedule(),
            commit_ms: genesis.commit_window_ms,
            attest_ms: genesis.attest_window_ms,
        };
        let limit = limit(&windows, &facts, now);
        self.clock.raise_limit(limit.0);
        let stands = self.clock.limit_ms() == Some(self.clock.now_ms());
        // How long the clock may stand at its limit before it goes on without the slow part, wall time (ADR 9).
        let patience = Duration::from_secs(self.args.patience_seconds);
        match progress.held {
            Some((at, since)) if stands && at == limit => {
                if since.elapsed() > patience {
                    let epoch = windows.schedule.epoch_at(now);
                    self.narrator.event("clock_forced", json!({ "epoch": epoch.0 }), || {
                        format!("epoch {epoch} goes on without its slowest part ({facts:?})")
                    });
                    self.clock
                        .raise_limit(windows.schedule.end_of(epoch).0 + windows.commit_ms - 1);
                    progress.held = None;
                }
            }
            _ => progress.held = stands.then(|| (limit, Instant::now())),
        }
        Ok(())
    }

    /// Asks the ledger, the devices and the consumer how far they are.
    async fn facts(&self, now: TimeMs) -> Result<Facts> {
        let client = &self.services.client;
        let finalised = client.next_epoch(SECTOR, BlockTag::Latest).await?.0;
        let current = self.founded.genesis.schedule().epoch_at(now);
        let (mut committed, mut frozen) = (0, 0);
        if let Some(before) = current.previous() {
            let status = client.batch_status(before, SECTOR, BlockTag::Latest).await?;
            let all = self.founded.genesis.ingests.len() as u64;
            let is_frozen = status.phase == 3 || finalised > before.0;
            committed = if is_frozen || u64::from(status.commitments) >= all {
                before.0 + 1
            } else {
                before.0
            };
            frozen = if is_frozen { before.0 + 1 } else { before.0 };
        }
        Ok(Facts {
            ready: true,
            acknowledged: self.services.fleet.open().0,
            committed,
            frozen,
            finalised: finalised.min(self.results.finalised()),
            purchased: *self.purchased.borrow(),
        })
    }

    /// Reads the files of every epoch that became final, adds them up and, if asked, tells them.
    async fn add_final_epochs(&self, tell: bool) -> Result<()> {
        let next = self.services.client.next_epoch(SECTOR, BlockTag::Latest).await?;
        while self.results.finalised() < next.0 {
            let epoch = Epoch(self.results.finalised());
            // A validator publishes an epoch's files right after its vote; not yet is no error.
            let Ok(verdicts) = self.session.verdicts(epoch).await else { return Ok(()) };
            let Ok(scores) = self.session.scores(epoch).await else { return Ok(()) };
            let Ok(rewards) = self.session.rewards(epoch).await else { return Ok(()) };
            let sum = self.results.add(epoch, &verdicts, &scores, &rewards);
            if tell {
                self.tell(epoch, &sum);
            }
        }
        Ok(())
    }

    fn tell(&self, epoch: Epoch, sum: &EpochResult) {
        let mean = sum.score_sum.checked_div(sum.devices).unwrap_or(0);
        let value = json!({
            "epoch": epoch.0, "devices": sum.devices, "accepted": sum.accepted, "mean_score_permille": mean,
            "earned_usd": sum.earned.0.to_string(), "earned_stones": sum.earned.1.to_string(),
            "subsidy_usd": sum.subsidy.0.to_string(), "subsidy_stones": sum.subsidy.1.to_string(),
        });
        self.narrator.event("epoch_final", value, || {
            format!(
                "epoch {epoch} final: {} of {} devices accepted, mean score {mean}, earned {}, subsidy {}",
                sum.accepted, sum.devices, usd(sum.earned.0), usd(sum.subsidy.0),
            )
        });
    }

    /// Claims for all owners what unlocked, once an epoch. Claiming is no duty of the network: trouble is told and tried again.
    async fn pay_out(&self, progress: &mut Progress) {
        let now = self.founded.genesis.schedule().epoch_at(TimeMs(self.clock.now_ms()));
        if progress.claimed_in == Some(now) {
            return;
        }
        match claim_for_all(self.session, &self.founded.genesis, now).await {
            Ok(paid) => {
                progress.claimed_in = Some(now);
                if paid.rewards > 0 {
                    self.tell_paid(progress, &paid).await;
                }
            }
            Err(error) => tracing::debug!("claiming is tried again: {error:#}"),
        }
    }

    async fn tell_paid(&self, progress: &mut Progress, paid: &Paid) {
        // Without an answer the genesis price is shown, and named.
        let now = self.services.client.price_now(BlockTag::Latest).await;
        let (price, price_of) = now.unwrap_or((self.founded.genesis.price(), PriceOf::Genesis));
        let (earned, subsidy) =
            (paid.earned.to_micro_usd_floor(price), paid.subsidy.to_micro_usd_floor(price));
        let is_first = progress.first_reward_ms.is_none();
        if is_first {
            progress.first_reward_ms = Some(self.narrator.elapsed_ms());
        }
        let value = json!({
            "rewards": paid.rewards, "first": is_first, "earned_usd": earned.to_string(), "subsidy_usd": subsidy.to_string(),
            "earned_stones": paid.earned.to_string(), "subsidy_stones": paid.subsidy.to_string(),
            "price_usd": price.to_string(), "price_of": price_of.name(),
        });
        self.narrator.event("rewards_paid", value, || {
            let line = format!(
                "{} rewards paid to their owners: earned {} ({}), subsidy {} ({}), at {} per STONE by {}",
                paid.rewards, usd(earned), stones(paid.earned), usd(subsidy), stones(paid.subsidy), usd(price), price_of.name(),
            );
            let station = self.founded.log.stations.first().map_or("DEVICE", |s| s.name.as_str());
            let dir = self.founded.folder.root().display();
            if is_first {
                format!("{line}\n\n  the first verified and paid reward. Explain it:  cairn why {station} --dir {dir}\n")
            } else {
                line
            }
        });
    }

    async fn report(&self, progress: &Progress) -> Result<Value> {
        let head = self.services.client.latest().await?;
        let device = |(station, handle): (
            &cairn_agent::sensing::Station,
            &cairn_agent::DeviceHandle,
        )| {
            let result = self.results.device(handle.id);
            let mut rejections = json!({});
            for (reason, count) in &result.rejections {
                rejections[*reason] = json!(count);
            }
            for refused in handle.spool().rejected().unwrap_or_default() {
                let count = rejections[&refused.name].as_u64().unwrap_or(0);
                rejections[&refused.name] = json!(count + 1);
            }
            json!({
                "device": handle.id.to_string(), "station": station.name, "owner": station.owner,
                "score_permille": result.score_sum.checked_div(result.epochs).unwrap_or(0),
                "earned_usd": result.earned.to_string(), "subsidy_usd": result.subsidy.to_string(), "rejections": rejections,
            })
        };
        let devices: Vec<Value> = self
            .founded
            .log
            .stations
            .iter()
            .zip(&self.services.fleet.devices)
            .map(device)
            .collect();
        Ok(json!({
            "first_reward_ms": progress.first_reward_ms, "epochs_final": self.results.finalised(), "devices": devices,
            "rpc": self.services.endpoints.rpc.first(), "ledger_height": head.number,
        }))
    }

    /// The report for people.
    pub fn report_text(&self) -> String {
        let mut rows = vec![
            ["STATION", "OWNER", "SCORE", "EARNED", "SUBSIDY", "REASONS"]
                .map(String::from)
                .to_vec(),
        ];
        for (station, handle) in self.founded.log.stations.iter().zip(&self.services.fleet.devices)
        {
            let result = self.results.device(handle.id);
            let reasons: Vec<_> = result
                .rejections
                .iter()
                .map(|(reason, count)| format!("{reason} {count}"))
                .collect();
            rows.push(vec![
                station.name.clone(),
                station.owner.clone(),
                result.score_sum.checked_div(result.epochs).unwrap_or(0).to_string(),
                usd(result.earned),
                usd(result.subsidy),
                reasons.join(", "),
            ]);
        }
        format!("{} epochs are final\n\n{}", self.results.finalised(), table(&rows))
    }
}
