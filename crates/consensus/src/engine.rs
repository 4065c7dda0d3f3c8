//! The wiring of one validator, the same on sockets and in a simulation.
//!
//! ```text
//! votes, certificates ─► Rotation ─► simplex of the term ─► Deferred ─► Paced ─► Stateful ─► App ─► Ledger, Disk, Pool
//!                                            │ certificates                  ▲ final blocks, in order
//! broadcast, backfill ─► marshal (archives of blocks and certificates) ──────┘
//! ```
//!
//! Everything but the voting engine lives through all terms; archives decode certificates of sets of any size.

use std::sync::Arc;

use bytes::Bytes;
use commonware_broadcast::buffered;
use commonware_consensus::{
    Reporter,
    marshal::{
        self, Start,
        core::Actor as MarshalActor,
        resolver::p2p as block_fetch,
        standard::{Deferred, Standard},
    },
    types::{Epoch as Term, FixedEpocher, ViewDelta},
};
use commonware_cryptography::{Digested, Digestible as _, ed25519};
use commonware_glue::stateful::{
    Config as StatefulConfig, Stateful, SyncPlan,
    db::{SyncEngineConfig, p2p as tree_sync},
    probe::{self, Probe},
};
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::{Handle, Spawner, buffer::paged::CacheRef};
use commonware_storage::{Context as StorageContext, mmr};
use commonware_utils::{NZDuration, NZU16, NZU64, NZUsize, ordered::Set};
use tokio::sync::watch;

use crate::{
    application::{App, Chain, Conduct, Marshal},
    archives::Archives,
    block::Block,
    careful::Careful,
    evidence,
    gossip::{self, Gossip},
    network::Channels,
    pace::{Pace, Paced},
    params::{
        FETCH_RETRY, FETCH_TIMEOUT, MAILBOX, PENDING_ACKS, REPAIR_MAX, STORAGE_BUFFER, SYNC_BATCH,
        VIEWS_KEPT,
    },
    rotation::{Peers, Rotation, Track},
    tree::{self, Tree},
};

/// Partition prefix of everything a validator stores through the engine.
pub(crate) const PREFIX: &str = "consensus";
/// Pages of the cache that all files share: 1,024 of 4 KiB.
const CACHE_PAGES: usize = 1_024;

/// What a validator is made of.
pub(crate) struct Parts<N, B> {
    pub(crate) me: ed25519::PublicKey,
    pub(crate) peers: N,
    pub(crate) blocker: B,
    /// Who hears of the peers of each term.
    pub(crate) track: Track,
    /// Peers whatever their seats.
    pub(crate) always: Set<ed25519::PublicKey>,
    pub(crate) chain: Arc<Chain>,
    pub(crate) pace: Pace,
    pub(crate) conduct: Conduct,
    /// Blocks and certificates that its archives keep; `None` for all.
    pub(crate) blocks_kept: Option<u64>,
    /// Puts the validators of one simulation apart on their shared disk.
    pub(crate) name: String,
}

/// A validator that runs.
pub(crate) struct Running<E>
where
    E: StorageContext + Spawner,
{
    /// Ends only when a part failed.
    pub(crate) engine: Handle<()>,
    pub(crate) marshal: Marshal,
    pub(crate) gossip: Gossip,
    /// Equivocations that this validator saw.
    pub(crate) evidence: watch::Receiver<Vec<Bytes>>,
    /// Gives the state tree, once it is open.
    pub(crate) state: commonware_glue::stateful::Mailbox<E, App>,
}

/// Starts every actor of a validator. `watch` may wrap the receiver of final blocks (simulations count them).
///
/// # Panics
/// When the validator's own storage cannot be opened, or is of another network.
pub(crate) async fn start<E, N, B, S, R, W>(
    context: E,
    parts: Parts<N, B>,
    channels: Channels<S, R>,
    watch: impl FnOnce(commonware_glue::stateful::Mailbox<E, App>) -> W,
) -> Running<E>
where
    E: StorageContext + Spawner + rand_core::CryptoRng,
    N: Provider<PublicKey = ed25519::PublicKey>,
    B: Blocker<PublicKey = ed25519::PublicKey>,
    S: Sender<PublicKey = ed25519::PublicKey>,
    R: Receiver<PublicKey = ed25519::PublicKey>,
    W: Reporter<Activity = marshal::Update<Block>>,
{
    let Parts { me, peers, blocker, track, always, chain, pace, conduct, blocks_kept, name } =
        parts;
    let prefix = format!("{PREFIX}{name}");
    let page_cache = CacheRef::new(NZU16!(4096), NZUsize!(CACHE_PAGES));
    let terms = chain.terms.clone();
    let epocher = FixedEpocher::new(terms.rules().blocks());
    let genesis = Digested::precomputed(chain.genesis.clone(), chain.genesis.digest());

    let (gossiper, gossip) =
        gossip::Actor::new(context.child("gossip"), chain.pool.clone(), blocker.clone());
    gossiper.start(channels.gossip);

    // Blocks: sending new ones, fetching missing ones, keeping final ones.
    let fetcher = block_fetch::init(
        context.child("block_fetch"),
        block_fetch::Config {
            public_key: me.clone(),
            peer_provider: peers.clone(),
            blocker: blocker.clone(),
            mailbox_size: MAILBOX,
            fetch_timeout: NZDuration!(FETCH_TIMEOUT),
            fetch_retry_delay: FETCH_RETRY,
            priority_requests: false,
            priority_responses: false,
        },
        channels.backfill,
    );
    let (broadcaster, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: me.clone(),
            mailbox_size: MAILBOX,
            deque_size: 10,
            priority: true,
            codec_config: (),
            peer_provider: peers.clone(),
            strategy: Sequential,
        },
    );
    broadcaster.start(channels.broadcast);
    let archives = Archives::open(&context, &prefix, &page_cache)
        .await
        .expect("this validator's archives of blocks and certificates open");
    let beginning = archives.beginning().await.expect("this validator's archives can be read");

    // The engine's own state sync is served to peers, and not used: it takes the tree without the ledger.
    let plan = SyncPlan::init(context.child("plan"), prefix.clone()).await;
    let (prober, probe) = Probe::new(probe::Config {
        context: context.child("probe"),
        provider: terms.clone(),
        strategy: Sequential,
        mailbox_size: MAILBOX,
        blocker: blocker.clone(),
        minimum_epoch: Term::zero(),
        retry_timeout: NZDuration!(FETCH_TIMEOUT),
    });
    prober.start(channels.probe);

    let (marshal_actor, marshal, floor) = MarshalActor::<_, Standard<Block>, _, _, _, _, _>::init(
        context.child("marshal"),
        archives.certificates,
        archives.blocks,
        marshal::Config {
            provider: terms.clone(),
            epocher: epocher.clone(),
            start: beginning.map_or_else(|| plan.marshal_start(genesis), Start::Floor),
            partition_prefix: prefix.clone(),
            mailbox_size: MAILBOX,
            view_retention: ViewDelta::new(VIEWS_KEPT),
            prunable_items_per_section: NZU64!(1024),
            page_cache: page_cache.clone(),
            replay_buffer: STORAGE_BUFFER,
            key_write_buffer: STORAGE_BUFFER,
            value_write_buffer: STORAGE_BUFFER,
            block_codec_config: (),
            max_repair: REPAIR_MAX,
            max_pending_acks: PENDING_ACKS,
            strategy: Sequential,
        },
    )
    .await;

    // State: the tree, the ledger on top of it.
    let (tree_server, tree_resolver) =
        tree_sync::Actor::<_, ed25519::PublicKey, _, _, mmr::Family, Tree<E>>::new(
            context.child("tree_sync"),
            tree_sync::Config {
                peer_provider: peers.clone(),
                blocker: blocker.clone(),
                database: None,
                mailbox_size: MAILBOX,
                me: Some(me),
                fetch_timeout: NZDuration!(FETCH_TIMEOUT),
                fetch_retry_delay: FETCH_RETRY,
                max_serve_ops: SYNC_BATCH,
                priority_requests: false,
                priority_responses: false,
            },
        );
    tree_server.start(channels.tree_sync);
    let app = App { chain: Arc::clone(&chain), marshal: marshal.clone(), conduct, blocks_kept };
    let (stateful, state) = Stateful::new(
        context.child("stateful"),
        StatefulConfig {
            application: app.clone(),
            db_config: tree::config(&prefix, page_cache.clone()),
            provider: chain.pool.clone(),
            marshal: (marshal.clone(), floor),
            mailbox_size: MAILBOX,
            plan,
            resolvers: tree_resolver,
            sync_config: SyncEngineConfig {
                fetch_batch_size: SYNC_BATCH,
                apply_batch_size: NZU64!(1024),
                max_outstanding_requests: NZUsize!(8),
            },
            prune_config: None,
            strategy: Sequential,
        },
    );
    marshal_actor.start(watch(state.clone()), buffer, fetcher);
    probe.attach(marshal.clone());
    app.catch_up().await;
    stateful.start();

    // Order.
    let (found, evidence) =
        evidence::keep(context.child("evidence"), format!("{prefix}-evidence"), terms.clone())
            .await;
    let paced = Paced { inner: state.clone(), pool: chain.pool.clone(), pace };
    let deferred = Deferred::new(context.child("deferred"), paced, marshal.clone(), epocher);
    let (heights, archive) = (chain.ordered.subscribe(), marshal.clone());
    let votes = (Careful::new(channels.votes.0, terms.votes()), channels.votes.1);
    let (certificates, resolver) = (channels.certificates, channels.resolver);
    let engine = context.child("terms").spawn(move |context| {
        let rotation = Rotation {
            context,
            marshal: archive,
            heights,
            automaton: deferred,
            blocker,
            found,
            peers: Peers { track, always, next: 0 },
            chain: Arc::clone(&chain),
            pace,
            prefix,
            page_cache,
        };
        rotation.run(votes, certificates, resolver)
    });
    Running { engine, marshal, gossip, evidence, state }
}
