//! The paying consumer of a local network: once an epoch it asks for the averages of the last final epoch and pays for
//! exactly the rows that the answer used.
//!
//! One purchase an epoch, after the epoch before is final and settled before this one ends (the governor waits for it):
//! so what devices earn does not depend on the speed of the machine.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use cairn_client::{BlockTag, LedgerClient, Reads as _, Sender, Wallet};
use cairn_gateway::consumer::{Consumer, Totals};
use cairn_kit::Shutdown;
use cairn_primitives::{
    Epoch, MicroUsd,
    abi::{CREDITS, ICredits},
};
use eyre::{Result, WrapErr as _, eyre};
use tokio::{sync::watch, time::Instant};

use crate::{commands::buy_credits, session::SECTOR, up::results::Results};

/// Escrow of a lease.
const ESCROW: MicroUsd = MicroUsd(5_000_000);
/// Credits bought at a time.
const CREDITS_BOUGHT: MicroUsd = MicroUsd(20_000_000);
/// A lease is given up for a new one when less than this is left of its escrow.
const ESCROW_RESERVE: MicroUsd = MicroUsd(1_000_000);
/// Epochs until a lease expires; the market allows 8,784.
const LEASE_EPOCHS: u64 = 8_000;
const POLL: Duration = Duration::from_millis(100);

/// The consumer's state.
pub struct Buyer {
    consumer: Consumer,
    sender: Sender,
    client: LedgerClient,
    results: Arc<Results>,
    path: PathBuf,
    /// How long one purchase may take before it is given up, wall time.
    patience: Duration,
    totals: Option<Totals>,
    /// Epochs in which a purchase is settled, or was given up.
    done: watch::Sender<u64>,
}

impl Buyer {
    /// A buyer at `gateway` whose memory lies in `folder`; a purchase that takes longer than `patience` is given up.
    pub fn new(
        gateway: &str,
        wallet: Wallet,
        client: LedgerClient,
        results: Arc<Results>,
        folder: PathBuf,
        patience: Duration,
    ) -> Result<(Self, watch::Receiver<u64>)> {
        fs::create_dir_all(&folder).wrap_err_with(|| format!("making {}", folder.display()))?;
        let path = folder.join("lease.json");
        let totals = match fs::read(&path) {
            Err(_) => None,
            Ok(text) => Some(
                serde_json::from_slice(&text)
                    .wrap_err_with(|| format!("parsing {}", path.display()))?,
            ),
        };
        let (done, watched) = watch::channel(0);
        let consumer = Consumer::new(gateway, wallet.clone())?;
        let sender = Sender::new(client.clone(), wallet);
        Ok((Self { consumer, sender, client, results, path, patience, totals, done }, watched))
    }

    /// Opens a lease if there is none, so that the first purchase need not wait for it.
    pub async fn prepare(&mut self) -> Result<()> {
        let has_room = |totals: &Totals| totals.amount.0 + ESCROW_RESERVE.0 <= ESCROW.0;
        if self.totals.as_ref().is_some_and(has_room) {
            return Ok(());
        }
        if let Some(old) = self.totals.take() {
            tracing::debug!(lease = old.lease, "lease is used up");
        }
        let address = self.sender.address();
        let call = ICredits::balanceOfCall { account: address };
        let held = self.client.view(CREDITS, call, BlockTag::Latest).await?;
        if held < alloy_primitives::U256::from(ESCROW.0) {
            buy_credits(&self.sender, CREDITS_BOUGHT).await?;
        }
        let offer = self.consumer.offer().await.wrap_err("asking the gateway for its offer")?;
        let now = self.client.current_epoch(BlockTag::Latest).await?;
        let lease = self
            .sender
            .open_lease(offer.offer, ESCROW, Epoch(now.0 + LEASE_EPOCHS))
            .await
            .wrap_err("opening a lease")?;
        self.remember(Totals { lease, units: 0, amount: MicroUsd::ZERO, shares: Vec::new() })
    }

    fn remember(&mut self, totals: Totals) -> Result<()> {
        let text = serde_json::to_vec(&totals)?;
        let draft = self.path.with_extension("draft");
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, &self.path))
            .wrap_err("writing the consumer's lease")?;
        self.totals = Some(totals);
        Ok(())
    }

    /// Buys once an epoch until `stop`.
    pub async fn run(mut self, stop: Shutdown) {
        while stop.until(self.turn()).await.is_some() {
            stop.until(tokio::time::sleep(POLL)).await;
        }
    }

    /// Buys if this epoch's purchase is due.
    async fn turn(&mut self) {
        let Ok(now) = self.client.current_epoch(BlockTag::Latest).await else { return };
        let Some(before) = now.previous() else { return };
        if *self.done.borrow() > now.0 || self.results.finalised() <= before.0 {
            return;
        }
        if let Err(error) = self.buy(before).await {
            tracing::warn!(epoch = now.0, "the consumer bought nothing: {error:#}");
            // Whatever went wrong, the next purchase begins with a lease of its own.
            self.totals = None;
        }
        self.done.send_replace(now.0 + 1);
    }

    /// Asks for the averages of `epoch`, pays, and waits until the payment is on the ledger.
    async fn buy(&mut self, epoch: Epoch) -> Result<()> {
        let rows = self.results.accepted_devices(epoch);
        if rows == 0 {
            return Ok(());
        }
        self.prepare().await?;
        let deadline = Instant::now() + self.patience;
        let sql = format!(
            "SELECT device, avg(temperature_c) AS temperature_c, avg(humidity_pct) AS humidity_pct, \
             avg(pressure_hpa) AS pressure_hpa FROM readings WHERE epoch = {epoch} GROUP BY device ORDER BY device"
        );
        // The gateway may still be fetching the epoch's files.
        while self.consumer.quote(&sql).await?.units < rows {
            if Instant::now() > deadline {
                return Err(eyre!("the gateway does not have epoch {epoch}"));
            }
            tokio::time::sleep(POLL).await;
        }
        let offer = self.consumer.offer().await?;
        let mut totals = self.totals.clone().ok_or_else(|| eyre!("no lease"))?;
        self.consumer.query(&offer, &mut totals, &sql, Some(ESCROW_RESERVE)).await?;
        let (lease, owed) = (totals.lease, totals.amount);
        self.remember(totals)?;
        while self.client.lease(lease, BlockTag::Latest).await?.settled < owed.0 {
            if Instant::now() > deadline {
                return Err(eyre!("the gateway did not settle lease {lease}"));
            }
            tokio::time::sleep(POLL).await;
        }
        tracing::debug!(epoch = epoch.0, sector = SECTOR.name(), "bought");
        Ok(())
    }
}
