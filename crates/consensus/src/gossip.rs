//! Spreading transactions: each node sends what its users submitted to every validator.
//!
//! Validators are connected all to all, so nothing is forwarded. A message is a bounded list of raw transactions; a peer
//! that sends anything else is blocked, one that sends too much is slowed by its channel's quota. Overflow policy: the
//! queue of own transactions drops what does not fit; the own pool still proposes them.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use cairn_ledger::params::TX_BYTES_MAX;
use commonware_codec::{Decode as _, Encode as _, RangeCfg};
use commonware_cryptography::{Hasher as _, Sha256, ed25519::PublicKey, sha256::Digest};
use commonware_macros::select_loop;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_runtime::{Clock, ContextCell, Handle, Metrics, Spawner, spawn_cell};
use tokio::sync::mpsc;

use crate::{
    block::body_bytes,
    params::{
        GOSSIP_BYTES_MAX, GOSSIP_PAUSE, GOSSIP_QUEUE, GOSSIP_SEEN, GOSSIP_SEEN_FOR, GOSSIP_TXS_MAX,
    },
    ports::Pool,
};

/// Hands own transactions to the gossip.
#[derive(Clone, Debug)]
pub struct Gossip(mpsc::Sender<Bytes>);

impl Gossip {
    /// Sends a raw transaction to every validator; returns whether it was queued.
    pub fn send(&self, raw: Bytes) -> bool {
        raw.len() <= TX_BYTES_MAX && self.0.try_send(raw).is_ok()
    }
}

/// Transactions that peers sent lately, oldest first: each is given to the pool once. Forgotten after `GOSSIP_SEEN_FOR`,
/// because a pool that refused a transaction (a nonce ahead of its state) may take it when it is offered again.
#[derive(Debug, Default)]
struct Seen {
    set: BTreeSet<Digest>,
    order: VecDeque<(SystemTime, Digest)>,
}

impl Seen {
    /// Whether `raw` is new at `now`; from now on it is not.
    fn insert(&mut self, raw: &[u8], now: SystemTime) -> bool {
        let old = |at: &SystemTime| now.duration_since(*at).is_ok_and(|age| age > GOSSIP_SEEN_FOR);
        while self.order.len() >= GOSSIP_SEEN || self.order.front().is_some_and(|(at, _)| old(at)) {
            let Some((_, oldest)) = self.order.pop_front() else { break };
            self.set.remove(&oldest);
        }
        let digest = Sha256::hash(&[raw]);
        let new = self.set.insert(digest);
        if new {
            self.order.push_back((now, digest));
        }
        new
    }
}

/// The actor that owns the gossip channel.
pub(crate) struct Actor<E, B> {
    context: ContextCell<E>,
    pool: Arc<dyn Pool>,
    blocker: B,
    own: mpsc::Receiver<Bytes>,
    seen: Seen,
}

impl<E, B> Actor<E, B>
where
    E: Clock + Spawner + Metrics,
    B: Blocker<PublicKey = PublicKey>,
{
    pub(crate) fn new(context: E, pool: Arc<dyn Pool>, blocker: B) -> (Self, Gossip) {
        let (sender, own) = mpsc::channel(GOSSIP_QUEUE);
        (
            Self { context: ContextCell::new(context), pool, blocker, own, seen: Seen::default() },
            Gossip(sender),
        )
    }

    pub(crate) fn start(
        mut self,
        (sender, receiver): (
            impl Sender<PublicKey = PublicKey>,
            impl Receiver<PublicKey = PublicKey>,
        ),
    ) -> Handle<()> {
        spawn_cell!(self.context, self.run(sender, receiver))
    }

    async fn run(
        mut self,
        mut sender: impl Sender<PublicKey = PublicKey>,
        mut receiver: impl Receiver<PublicKey = PublicKey>,
    ) {
        select_loop! {
            self.context,
            on_stopped => {},
            Some(raw) = self.own.recv() else break => {
                let batch = self.batch(raw);
                let _ = sender.send(Recipients::All, batch.encode(), false);
                self.context.sleep(GOSSIP_PAUSE).await;
            },
            Ok((peer, message)) = receiver.recv() else break => {
                let limits = (RangeCfg::from(0..=GOSSIP_TXS_MAX), RangeCfg::from(1..=TX_BYTES_MAX));
                match Vec::<Bytes>::decode_cfg(message, &limits) {
                    Ok(mut batch) => {
                        let now = self.context.current();
                        batch.retain(|raw| self.seen.insert(raw, now));
                        if !batch.is_empty() {
                            self.pool.gossiped(&batch);
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%peer, %error, "malformed gossip: peer blocked");
                        commonware_p2p::block!(self.blocker, peer, "malformed gossip");
                    }
                }
            },
        }
    }

    /// `first` and what else is waiting, as much as fits a message.
    fn batch(&mut self, first: Bytes) -> Vec<Bytes> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(raw) = next {
            bytes += body_bytes(raw.len());
            batch.push(raw);
            // One more transaction always fits: the room for it is kept free.
            let room = bytes + body_bytes(TX_BYTES_MAX) <= GOSSIP_BYTES_MAX
                && batch.len() < GOSSIP_TXS_MAX;
            next = if room { self.own.try_recv().ok() } else { None };
        }
        batch
    }
}
