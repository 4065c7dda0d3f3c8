//! What peers send: the transactions of one message share one look at the state and one hold of the queue.
//!
//! ```text
//!   message ─► which wait already? ─► decode, recover ─► Ledger::admit on one snapshot ─► Queue, all at once ─► subscribers
//! ```
//! Recovering a sender costs more than all the rest, so the queue is asked by the hash of the bytes before it: peers offer what waits every few
//! seconds. Nothing is recovered or read from the disk while the queue is held, which consensus asks for its candidates.

use alloy_primitives::{B256, keccak256};
use cairn_ledger::decode_transaction;

use super::{Rejection, TxPool, queue::Queued};

impl TxPool {
    /// Takes the transactions of one message, in its order; each that is refused is counted.
    pub(super) fn take_gossiped(&self, raws: &[bytes::Bytes]) {
        let hashes: Vec<B256> = raws.iter().map(keccak256).collect();
        let waiting: Vec<bool> = {
            let queue = self.queue();
            hashes.iter().map(|hash| queue.get(*hash).is_some()).collect()
        };
        let decoded: Vec<Result<_, Rejection>> = raws
            .iter()
            .zip(hashes.iter().zip(waiting))
            .map(|(raw, (hash, waits))| {
                if waits {
                    Err(Rejection::AlreadyKnown(*hash))
                } else {
                    Ok(decode_transaction(raw)?)
                }
            })
            .collect();
        // After the slow part, so that no block becomes final between the look and the queue, or hardly one.
        let view = self.view();
        let judged: Vec<Result<(Queued, u64), Rejection>> = decoded
            .into_iter()
            .map(|decoded| self.judge(view.as_ref().map_err(Rejection::clone)?, decoded?, false))
            .collect();

        let (mut taken, mut refused, mut dropped) = (Vec::new(), 0, 0);
        {
            let mut queue = self.queue();
            for judged in judged {
                let inserted = judged.and_then(|(queued, next_nonce)| {
                    let hash = queued.hash();
                    queue.insert(queued, next_nonce).map(|dropped| (hash, dropped.len()))
                });
                match inserted {
                    Ok((hash, pushed_out)) => {
                        dropped += pushed_out;
                        taken.push(hash);
                    }
                    Err(reason) => {
                        refused += 1;
                        tracing::trace!(%reason, "gossiped transaction refused");
                    }
                }
            }
            self.count(&queue, dropped);
        }
        self.0.counts.accepted.add(u64::try_from(taken.len()).unwrap_or(u64::MAX));
        self.0.counts.rejected.add(refused);
        for hash in taken {
            // Nobody may be subscribed.
            let _ = self.0.accepted.send(hash);
        }
    }
}
