//! One voting engine a term: when the last block of a term is final, its engine ends and the next begins from that block.
//!
//! ```text
//! votes, certificates, fetches ─► a subchannel a term ─► the running term's engine
//!                                    └ votes of a later term ─► whoever sent one has the block that ends this term: fetch it
//! ```
//! A validator without a seat in a term runs the term's engine too: it checks and keeps, and never votes.
//!
//! Crash safety. A term's votes are in a journal of its own (`simplex-{term}`), which an engine of that term always opens
//! again. A term is over once the block that ends it is on the disk, which holds no block that the archive does not keep;
//! its journal is removed when the archive has acknowledged that block and a term has passed.

use std::{sync::Arc, time::Duration};

use commonware_consensus::{
    CertifiableAutomaton, Relay, Reporter,
    simplex::{
        self,
        config::{Floor, ForwardPolicy, SkipPolicy},
        elector::RoundRobin,
        types::Activity,
    },
    types::{Epoch as Term, Height, ViewDelta},
};
use commonware_cryptography::{Digestible as _, Sha256, ed25519, sha256::Digest};
use commonware_macros::select;
use commonware_p2p::{
    Blocker, Receiver, Sender, TrackedPeers,
    utils::mux::{Builder as _, Muxer},
};
use commonware_parallel::Sequential;
use commonware_runtime::{Error as RuntimeError, Handle, Spawner, buffer::paged::CacheRef};
use commonware_storage::Context as StorageContext;
use commonware_utils::{NZDuration, ordered::Set, vec::NonEmptyVec};
use tokio::sync::{mpsc, watch};

use crate::{
    application::{Chain, Marshal},
    beacon,
    block::{BlockContext, Preamble},
    evidence::{Equivocation, Witness},
    finality::FinalityProof,
    network::{BEFORE_MAX, Channel},
    pace::Pace,
    params::{
        FETCH_RETRY, FETCH_TIMEOUT, JOURNALS_SWEPT, LEADER_GRACE, MAILBOX, SKIP_AFTER,
        STORAGE_BUFFER, TIMEOUT_RETRY, VIEWS_KEPT,
    },
    scheme::Scheme,
    terms::Terms,
};

/// Tells the network who the peers of a term are.
pub(crate) type Track = Box<dyn FnMut(u64, TrackedPeers<ed25519::PublicKey>) + Send + Sync>;

/// What runs the engines.
pub(crate) struct Rotation<E, A, B> {
    pub(crate) context: E,
    pub(crate) chain: Arc<Chain>,
    pub(crate) marshal: Marshal,
    /// Height of the last block on the disk.
    pub(crate) heights: watch::Receiver<u64>,
    /// What proposes, verifies and sends blocks.
    pub(crate) automaton: A,
    pub(crate) blocker: B,
    pub(crate) found: mpsc::Sender<Equivocation>,
    pub(crate) peers: Peers,
    pub(crate) pace: Pace,
    pub(crate) prefix: String,
    pub(crate) page_cache: CacheRef,
}

/// Who is a peer: the validators of the running and of the coming term, those of the last few, and some always.
pub(crate) struct Peers {
    pub(crate) track: Track,
    /// Whom this node's settings name: they stay peers whatever their seats, so that a node that was away finds its way back.
    pub(crate) always: Set<ed25519::PublicKey>,
    /// The first term that was not told yet.
    pub(crate) next: u64,
}

impl Peers {
    /// Tells the network about every term up to the one after `term` that is known by now. Peers of one term are the same on
    /// all nodes; beside them are those of the term before, which have the blocks, because missing blocks are asked of the
    /// newest term's only.
    fn tell(&mut self, terms: &Terms, term: u64) {
        self.next = self.next.max(term);
        while self.next <= term.saturating_add(1)
            && let Some(set) = terms.get(self.next)
        {
            let before = self.next.checked_sub(1).and_then(|before| terms.get(before));
            let before = before.iter().flat_map(|set| set.keys.iter());
            let before = before.filter(|key| set.keys.position(key).is_none()).take(BEFORE_MAX);
            let others = Set::from_iter_dedup(self.always.iter().chain(before).cloned());
            (self.track)(self.next, TrackedPeers::new(set.keys.clone(), others));
            self.next += 1;
        }
    }
}

impl<E, A, B> Rotation<E, A, B>
where
    E: StorageContext + Spawner + rand_core::CryptoRng,
    A: CertifiableAutomaton<Digest = Digest, Context = BlockContext>
        + Relay<
            Digest = Digest,
            PublicKey = ed25519::PublicKey,
            Plan = simplex::Plan<ed25519::PublicKey>,
        > + Reporter<Activity = Activity<Scheme, Digest>>,
    B: Blocker<PublicKey = ed25519::PublicKey>,
{
    /// Runs until an engine fails.
    pub(crate) async fn run<V, S, R>(
        mut self,
        votes: Channel<V, R>,
        certificates: Channel<S, R>,
        resolver: Channel<S, R>,
    ) where
        V: Sender<PublicKey = ed25519::PublicKey>,
        S: Sender<PublicKey = ed25519::PublicKey>,
        R: Receiver<PublicKey = ed25519::PublicKey>,
    {
        let (muxer, mut votes, mut ahead) =
            Muxer::builder(self.context.child("votes"), votes.0, votes.1).with_backup().build();
        muxer.start();
        let (muxer, mut certificates) =
            Muxer::new(self.context.child("certificates"), certificates.0, certificates.1);
        muxer.start();
        let (muxer, mut resolver) =
            Muxer::new(self.context.child("resolver"), resolver.0, resolver.1);
        muxer.start();

        let mut heights = self.heights.clone();
        let next = heights.borrow_and_update().saturating_add(1);
        let mut term = self.chain.terms.rules().term_of(next);
        loop {
            self.peers.tell(&self.chain.terms, term);
            self.sweep(term).await;
            let engine = self.engine(term).await;
            let (Ok(votes), Ok(certificates), Ok(resolver)) = (
                votes.register(term).await,
                certificates.register(term).await,
                resolver.register(term).await,
            ) else {
                return;
            };
            let mut engine = engine.start(votes, certificates, resolver);
            let last = self.chain.terms.rules().last_of(term);
            while *heights.borrow_and_update() < last {
                select! {
                    changed = heights.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        self.peers.tell(&self.chain.terms, term);
                    },
                    heard = ahead.recv() => {
                        let Some((theirs, (peer, _))) = heard else { return };
                        if theirs > term {
                            self.marshal.hint_finalized(Height::new(last), NonEmptyVec::new(peer));
                        }
                    },
                    _ = &mut engine => {
                        return;
                    },
                }
            }
            stop(engine).await;
            term = self.chain.terms.rules().term_of(heights.borrow().saturating_add(1));
        }
    }

    /// The engine of a term, not started.
    async fn engine(&mut self, term: u64) -> Engine<E, A, B> {
        let set =
            self.chain.terms.get(term).expect("the set of a term is known before its first block");
        tracing::info!(term, validators = set.keys.len(), "a term begins");
        let (root, digest) = self.root(term).await;
        let order = beacon::order_seed(&root).expect("a final block was accepted");
        self.chain.terms.begin(term, root.time());
        let leader_timeout = self.pace.idle.max(self.pace.busy) + LEADER_GRACE;
        simplex::Engine::new(
            self.context.child("simplex").with_attribute("term", term),
            simplex::Config {
                scheme: (*set.scheme).clone(),
                elector: RoundRobin::<Sha256>::shuffled(order.as_slice()),
                blocker: self.blocker.clone(),
                automaton: self.automaton.clone(),
                relay: self.automaton.clone(),
                reporter: Witness { inner: self.automaton.clone(), found: self.found.clone() },
                strategy: Sequential,
                partition: self.journal(term),
                mailbox_size: MAILBOX,
                epoch: Term::new(term),
                floor: Floor::Genesis(digest),
                replay_buffer: STORAGE_BUFFER,
                write_buffer: STORAGE_BUFFER,
                page_cache: self.page_cache.clone(),
                leader_timeout,
                certification_timeout: leader_timeout + LEADER_GRACE,
                timeout_retry: TIMEOUT_RETRY,
                view_retention: ViewDelta::new(VIEWS_KEPT),
                skip: SkipPolicy::Enabled {
                    timeout: SKIP_AFTER.max(4 * leader_timeout),
                    budget: simplex::SkipBudget::Participants,
                },
                fetch_timeout: NZDuration!(FETCH_TIMEOUT),
                fetch_retry_delay: FETCH_RETRY.max(Duration::from_millis(500)),
                forward: ForwardPolicy::Disabled,
                track_historical_votes: false,
            },
        )
    }

    /// The block that a term builds on, the last one of the term before: without its transactions, and its digest. A validator that began
    /// with a state may not have the block, but its disk keeps the certificate of every block that ends a term.
    async fn root(&mut self, term: u64) -> (Preamble, Digest) {
        let Some(before) = term.checked_sub(1) else {
            let genesis = &self.chain.genesis;
            return (genesis.preamble.clone(), genesis.digest());
        };
        let last = self.chain.terms.rules().last_of(before);
        if let Some(block) = self.marshal.get_block(Height::new(last)).await {
            return (block.inner().preamble.clone(), block.digest());
        }
        let certificate = self.chain.disk.certificate(last).expect("the ledger's disk can be read");
        let certificate = certificate.expect("what ends a term is in the archive or on the disk");
        let proof =
            FinalityProof::from_bytes(&certificate).expect("the disk keeps what was checked");
        (proof.preamble, proof.finalization.proposal.payload)
    }

    fn journal(&self, term: u64) -> String {
        format!("{}-simplex-{term}", self.prefix)
    }

    /// Removes the journals of terms that are over for good.
    async fn sweep(&mut self, term: u64) {
        let processed = self.marshal.get_processed().await.map_or(0, |p| p.height().get());
        let over = self
            .chain
            .terms
            .rules()
            .term_of(processed.saturating_add(1))
            .min(term.saturating_sub(1));
        for old in over.saturating_sub(JOURNALS_SWEPT)..over {
            match self.context.remove(&self.journal(old), None).await {
                Ok(()) => tracing::debug!(term = old, "votes of an old term removed"),
                Err(RuntimeError::PartitionMissing(_)) => {}
                Err(error) => tracing::warn!(term = old, %error, "votes of an old term stay"),
            }
        }
    }
}

/// The engine of one term.
type Engine<E, A, B> =
    simplex::Engine<E, Scheme, RoundRobin<Sha256>, B, Digest, A, A, Witness<A>, Sequential>;

/// Ends an engine.
async fn stop(engine: Handle<()>) {
    engine.abort();
    let _ = engine.await;
}
