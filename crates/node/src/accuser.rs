//! The duty of a validator that saw another vote twice: it takes the evidence to the ledger, and ends the slash in its time.
//!
//! ```text
//! consensus' disk ─► evidence ─► would the ledger take it? ─► reportEquivocation ─► pending ─ appeal window over ─► execute
//!                                  └ slashed already, banned: done, and nothing is paid
//! ```
//! Every validator has the same evidence, and only the first report is paid: each waits its turn, in an order that the
//! evidence's key decides, and looks again before it sends. The ledger knows what was reported and the evidence is on consensus'
//! disk, so a restart loses nothing: open slashes of this account are looked for at the start.
//!
//! **Invariant:** a report is sent only when the same call succeeded on the state of the last final block.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alloy_primitives::Address;
use bytes::Bytes;
use cairn_client::{
    Backoff, BlockTag, ClientError, NativeError, Reads as _, Sender, StakeReads as _,
};
use cairn_kit::Shutdown;
use cairn_primitives::{TimeMs, abi::IStake::IStakeErrors};
use tokio::sync::watch;

/// Blocks between two validators' turns: one for the report, one for the next to see it.
const TURN_BLOCKS: u64 = 2;
/// Slashes that are looked at after a start, the newest: more than can be open at once in a network of 128 seats and two days.
const LOOK_BACK_SLASHES: u64 = 256;
/// Pauses after trouble: first and longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Takes what a validator saw to the ledger, once.
pub(crate) struct Accuser {
    sender: Sender,
    /// Every pair that consensus keeps, the oldest term first.
    evidence: watch::Receiver<Vec<Bytes>>,
    heights: watch::Receiver<u64>,
    /// Pairs of which the ledger needs nothing more.
    done: BTreeSet<Bytes>,
    /// Pairs that wait for this validator's turn, and the height of it.
    waiting: BTreeMap<Bytes, u64>,
    /// Slashes that this account reported and nobody has ended; when each may be executed.
    open: BTreeMap<u64, TimeMs>,
    /// Whether slashes from before this start were looked for.
    looked_back: bool,
}

/// What the ledger thinks of a pair.
enum Verdict {
    Taken,
    /// Reported before, or worth nothing.
    Over,
    /// Not on this node's state yet.
    Later,
}

impl Accuser {
    /// A duty of `sender`'s account, with what consensus saw and the heights of final blocks.
    pub(crate) const fn new(
        sender: Sender,
        evidence: watch::Receiver<Vec<Bytes>>,
        heights: watch::Receiver<u64>,
    ) -> Self {
        Self {
            sender,
            evidence,
            heights,
            done: BTreeSet::new(),
            waiting: BTreeMap::new(),
            open: BTreeMap::new(),
            looked_back: false,
        }
    }

    /// Does its duty until `stop`.
    pub(crate) async fn run(mut self, stop: Shutdown) {
        let mut pauses = Backoff::endless(PAUSES.0, PAUSES.1);
        let mut told = String::new();
        while !stop.is_requested() {
            let Some(done) = stop.until(self.turn()).await else { return };
            let again = match done {
                Ok(()) => {
                    (pauses, told) = (Backoff::endless(PAUSES.0, PAUSES.1), String::new());
                    stop.until(self.something_new()).await
                }
                Err(error) => {
                    // The same trouble is told once.
                    let text = error.to_string();
                    if text != told {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "evidence is taken to the ledger later");
                    }
                    told = text;
                    let pause = pauses.next().unwrap_or(PAUSES.1);
                    stop.until(tokio::time::sleep(pause)).await.map(|()| true)
                }
            };
            if again != Some(true) {
                return;
            }
        }
    }

    /// Resolves when there may be something to do; false when consensus has ended.
    async fn something_new(&mut self) -> bool {
        let counting = !self.waiting.is_empty() || !self.open.is_empty();
        tokio::select! {
            changed = self.evidence.changed() => changed.is_ok(),
            changed = self.heights.changed(), if counting => changed.is_ok(),
        }
    }

    /// Does everything that the ledger allows now.
    ///
    /// # Errors
    /// The first trouble; what was done before it stays done.
    pub(crate) async fn turn(&mut self) -> Result<(), ClientError> {
        if !self.looked_back {
            self.look_back().await?;
            self.looked_back = true;
        }
        let pairs = self.evidence.borrow_and_update().clone();
        self.heights.borrow_and_update();
        for pair in pairs {
            if !self.done.contains(&pair) {
                self.accuse(pair).await?;
            }
        }
        self.execute().await
    }

    /// Finds the open slashes that this account reported before it was started.
    async fn look_back(&mut self) -> Result<(), ClientError> {
        let (client, me) = (self.sender.client(), self.sender.address());
        let count = client.slash_count(BlockTag::Latest).await?;
        for id in count.saturating_sub(LOOK_BACK_SLASHES)..count {
            let slash = client.slash(id, BlockTag::Latest).await?;
            if slash.reporter == me && slash.status == 1 {
                self.open.insert(id, TimeMs(slash.appealUntilMs));
            }
        }
        Ok(())
    }

    async fn accuse(&mut self, pair: Bytes) -> Result<(), ClientError> {
        match self.judge(&pair).await? {
            Verdict::Later => return Ok(()),
            Verdict::Over => {
                self.waiting.remove(&pair);
                self.done.insert(pair);
                return Ok(());
            }
            Verdict::Taken => {}
        }
        let height = self.sender.client().latest().await?.number;
        let turn = match self.waiting.get(&pair) {
            Some(turn) => *turn,
            None => height.saturating_add(self.place(&pair).await?.saturating_mul(TURN_BLOCKS)),
        };
        if height < turn {
            self.waiting.insert(pair, turn);
            return Ok(());
        }
        match self.sender.report_equivocation(pair.clone().into()).await {
            Ok(opened) => {
                tracing::warn!(
                    id = opened.id,
                    operator = %opened.operator,
                    term = opened.term,
                    "an equivocation was reported"
                );
                self.open.insert(opened.id, TimeMs(opened.appealUntilMs));
            }
            // Somebody was quicker between the look and the block.
            Err(error) if is_over(&error) => {}
            Err(error) => return Err(error),
        }
        self.waiting.remove(&pair);
        self.done.insert(pair);
        Ok(())
    }

    /// Asks the ledger whether it would take the pair, without sending it.
    async fn judge(&self, pair: &Bytes) -> Result<Verdict, ClientError> {
        let error = match self.sender.try_equivocation(pair.clone().into()).await {
            Ok(()) => return Ok(Verdict::Taken),
            Err(error) => error,
        };
        match stake_error(&error) {
            Some(IStakeErrors::BadEvidence(bad)) if bad.reason == "a term without validators" => {
                Ok(Verdict::Later)
            }
            Some(IStakeErrors::BadEvidence(bad)) => {
                tracing::error!(reason = bad.reason, "the ledger refuses what consensus kept");
                Ok(Verdict::Over)
            }
            _ if is_over(&error) => Ok(Verdict::Over),
            _ => Err(error),
        }
    }

    /// This validator's place among those of the term, beginning with the one that the accused key points at; accounts without a
    /// seat come last.
    async fn place(&self, pair: &Bytes) -> Result<u64, ClientError> {
        let seats = self.sender.client().validators(BlockTag::Latest).await?;
        let operators: Vec<Address> = seats.iter().map(|seat| seat.operator).collect();
        Ok(place(&operators, self.sender.address(), pair))
    }

    /// Executes the slashes of this account whose appeal window is over.
    async fn execute(&mut self) -> Result<(), ClientError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let now = self.sender.client().latest().await?.time;
        let ripe: Vec<u64> =
            self.open.iter().filter(|(_, until)| now >= **until).map(|(id, _)| *id).collect();
        for id in ripe {
            match self.sender.execute_slash(id).await {
                Ok(done) => {
                    tracing::info!(id, operator = %done.operator, "a slash was executed");
                }
                Err(error) if is_over(&error) => {}
                Err(error) => return Err(error),
            }
            self.open.remove(&id);
        }
        Ok(())
    }
}

fn stake_error(error: &ClientError) -> Option<&IStakeErrors> {
    match error.revert()?.error.as_ref()? {
        NativeError::Stake(error) => Some(error),
        _ => None,
    }
}

/// Whether the ledger refused because there is nothing left to do.
fn is_over(error: &ClientError) -> bool {
    use IStakeErrors::{AlreadySlashed, IsBanned, SlashClosed};
    matches!(stake_error(error), Some(AlreadySlashed(_) | IsBanned(_) | SlashClosed(_)))
}

/// Place of `me` in the order of turns, from 0.
fn place(operators: &[Address], me: Address, pair: &[u8]) -> u64 {
    let count = operators.len() as u64;
    let Some(own) = operators.iter().position(|operator| *operator == me) else { return count };
    let first = pair.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let first = first.checked_rem(count).unwrap_or(0);
    (own as u64 + count - first) % count
}

#[cfg(test)]
mod tests;
