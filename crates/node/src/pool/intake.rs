//! Local transactions on their way to the disk: those that come together share one look at the state, one write, one sync.
//!
//! ```text
//!   send ─ decode, recover ─► lane ─┐                               ┌─► hash or refusal to each sender
//!   send ─ decode, recover ─► lane ─┴─ one worker ─► queue ─► journal ─► gossip, subscribers
//! ```
//! A sender waits for a word and holds no thread: hundreds that wait for the same sync would each wake, fight for the lock
//! and go to sleep again. The worker exists while something lies in the lane.

use std::sync::{Mutex, PoisonError};

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_primitives::{B256, Bytes};
use cairn_ledger::decode_transaction;
use tokio::sync::oneshot;

use super::{Rejection, TxPool};

/// Transactions that share one sync: the first of them waits for the last to be looked at.
const TOGETHER_MAX: usize = 256;

/// A decoded transaction and its bytes.
pub(super) struct Sent {
    pub(super) raw: Bytes,
    pub(super) transaction: Recovered<TxEnvelope>,
}

type Answer = oneshot::Sender<Result<B256, Rejection>>;

#[derive(Default)]
struct Waiting {
    sent: Vec<(Sent, Answer)>,
    /// Whether a worker will look here again.
    attended: bool,
}

/// What waits for the worker.
#[derive(Default)]
pub(super) struct Lane(Mutex<Waiting>);

impl Lane {
    fn with<T>(&self, f: impl FnOnce(&mut Waiting) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leaves a transaction; true when the caller has to start the worker.
    fn leave(&self, sent: Sent, answer: Answer) -> bool {
        self.with(|waiting| {
            waiting.sent.push((sent, answer));
            !std::mem::replace(&mut waiting.attended, true)
        })
    }

    /// What lies there, in order of arrival; `None`, and the worker ends, when nothing does.
    fn next(&self) -> Option<Vec<(Sent, Answer)>> {
        self.with(|waiting| {
            let together = waiting.sent.len().min(TOGETHER_MAX);
            waiting.attended = together > 0;
            (together > 0).then(|| waiting.sent.drain(..together).collect())
        })
    }
}

/// The worker's presence. One that panics leaves an empty lane: whoever waited hears of it, whoever comes starts another.
struct Attendance<'p>(&'p Lane);

impl Drop for Attendance<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.with(|waiting| *waiting = Waiting::default());
        }
    }
}

impl TxPool {
    /// Takes a transaction of this node's own user, as `submit` does, without holding a thread while the disk works. On
    /// success it is on disk and its hash may be promised.
    ///
    /// # Errors
    /// See `submit`.
    pub async fn send(&self, raw: Bytes) -> Result<B256, Rejection> {
        let sent = self.decode(raw)?;
        let (answer, answered) = oneshot::channel();
        if self.0.lane.leave(sent, answer) {
            let pool = self.clone();
            tokio::task::spawn_blocking(move || pool.attend());
        }
        // Without a word the worker is gone, and nothing was promised.
        answered.await.unwrap_or(Err(Rejection::Disk))
    }

    /// Takes a transaction of this node's own user. On success it is on disk and its hash may be promised.
    ///
    /// # Errors
    /// The reason for which the sender has to act, or `Disk`.
    pub fn submit(&self, raw: &[u8]) -> Result<B256, Rejection> {
        let sent = self.decode(Bytes::copy_from_slice(raw))?;
        self.take(vec![sent]).pop().unwrap_or(Err(Rejection::Disk))
    }

    pub(super) fn decode(&self, raw: Bytes) -> Result<Sent, Rejection> {
        let decoded = decode_transaction(&raw);
        if decoded.is_err() {
            self.0.counts.rejected.inc();
        }
        Ok(Sent { transaction: decoded?, raw })
    }

    fn attend(&self) {
        let _attendance = Attendance(&self.0.lane);
        while let Some(together) = self.0.lane.next() {
            let (sent, answers): (Vec<_>, Vec<_>) = together.into_iter().unzip();
            for (taken, answer) in self.take(sent).into_iter().zip(answers) {
                // A client that left does not hear that its transaction is in.
                let _ = answer.send(taken);
            }
        }
    }

    /// Into the queue, then all of them to the disk, then to whoever listens. One answer for each, in order.
    fn take(&self, sent: Vec<Sent>) -> Vec<Result<B256, Rejection>> {
        let view = self.view();
        let (mut answers, mut raws) = (Vec::with_capacity(sent.len()), Vec::new());
        for Sent { raw, transaction } in sent {
            let taken = self.insert(view.as_ref(), transaction, true);
            if taken.is_ok() {
                raws.push(raw);
            }
            answers.push(taken);
        }
        if let Err(error) = self.0.journal.append(&raws) {
            tracing::error!(%error, "cannot write the pool's journal");
            for answer in &mut answers {
                if let Ok(hash) = answer {
                    self.queue().remove(*hash);
                    *answer = Err(Rejection::Disk);
                }
            }
            return answers;
        }
        for raw in raws {
            // Nobody listens before the gossip starts; it asks for `local` then.
            let _ = self.0.inserted.send(raw);
        }
        for hash in answers.iter().flatten() {
            let _ = self.0.accepted.send(*hash);
        }
        answers
    }
}
