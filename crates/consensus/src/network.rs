//! Peer-to-peer: authenticated, encrypted connections between the validators, one channel per protocol.
//!
//! Memory is preallocated as `quota × peers × tracked sets`, so each channel's quota is what its protocol sends, not "large".

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use commonware_codec::FixedSize as _;
use commonware_consensus::{
    marshal::{self, standard::Standard},
    simplex::{self, scheme::ed25519::Scheme},
};
use commonware_cryptography::{ChaCha20Poly1305, ed25519, sha256};
use commonware_glue::stateful::{db::p2p as tree_sync, probe};
use commonware_p2p::{authenticated::lookup, max_message_size};
use commonware_runtime::Quota;
use commonware_storage::{mmr, qmdb::any::unordered::fixed::Operation};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZU32, NZUsize};

use crate::{
    block::Block,
    params::{GOSSIP_BYTES_MAX, SYNC_BATCH},
};

/// The channels, in the order in which `Channels` holds them; the position is the channel's number on the wire.
const QUOTAS: [NonZeroU32; 8] = [
    NZU32!(128), // votes
    NZU32!(128), // certificates
    NZU32!(64),  // certificate fetches
    NZU32!(64),  // block fetches
    NZU32!(64),  // block broadcast
    NZU32!(32),  // state sync
    NZU32!(16),  // probes for a recent finalised block
    NZU32!(64),  // transactions
];
/// Room for the term that is put before a message of a changing validator set.
const SUBCHANNEL_BYTES: u32 = 10;
/// Messages that may wait in a channel.
const CHANNEL_MAILBOX: NonZeroUsize = NZUsize!(256);
/// How far two peers' clocks may differ in a handshake.
const HANDSHAKE_SKEW: Duration = Duration::from_secs(5);
/// How old a handshake may be.
const HANDSHAKE_AGE: Duration = Duration::from_secs(10);

/// Where the peers are, which decides how suspicious the network is of many connections from one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// All on this machine or behind one address: private addresses, 16 handshakes a second.
    #[default]
    Local,
    /// On the internet: public addresses only, one handshake in five seconds from an address.
    Internet,
}

/// One connection of a channel.
pub(crate) type Channel<S, R> = (S, R);

/// All channels of a validator.
pub(crate) struct Channels<S, R> {
    pub(crate) votes: Channel<S, R>,
    pub(crate) certificates: Channel<S, R>,
    pub(crate) resolver: Channel<S, R>,
    pub(crate) backfill: Channel<S, R>,
    pub(crate) broadcast: Channel<S, R>,
    pub(crate) tree_sync: Channel<S, R>,
    pub(crate) probe: Channel<S, R>,
    pub(crate) gossip: Channel<S, R>,
}

impl<S, R> Channels<S, R> {
    /// The channels from a list in the order of `quotas`.
    pub(crate) fn from_list(list: Vec<Channel<S, R>>) -> Option<Self> {
        let [votes, certificates, resolver, backfill, broadcast, tree_sync, probe, gossip]: [_;
            QUOTAS.len()] = list.try_into().ok()?;
        Some(Self { votes, certificates, resolver, backfill, broadcast, tree_sync, probe, gossip })
    }
}

/// Number and quota of each channel.
#[must_use]
pub fn quotas() -> Vec<(u64, Quota)> {
    (0..).zip(QUOTAS.map(Quota::per_second)).collect()
}

/// Most bytes of a message among `validators`.
#[must_use]
pub fn message_bytes_max(validators: u32) -> u32 {
    let operation = Operation::<mmr::Family, sha256::Digest, sha256::Digest>::SIZE;
    max_message_size(&[
        simplex::max_payload_size::<Scheme, sha256::Digest>(validators) + SUBCHANNEL_BYTES as usize,
        marshal::max_payload_size::<Standard<Block>, Scheme>(validators, &()),
        probe::max_payload_size::<Standard<Block>, Scheme>(validators),
        tree_sync::max_payload_size::<mmr::Family, sha256::Digest>(SYNC_BATCH, operation),
        GOSSIP_BYTES_MAX,
    ])
}

/// The configuration of the network of one validator.
pub(crate) fn config(
    key: ed25519::PrivateKey,
    namespace: &[u8],
    listen: SocketAddr,
    validators: NonZeroUsize,
    reach: Reach,
) -> lookup::Config<Cups<Sake<ed25519::PrivateKey>, ChaCha20Poly1305>> {
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer: key,
            synchrony_bound: HANDSHAKE_SKEW,
            max_handshake_age: HANDSHAKE_AGE,
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let bytes = message_bytes_max(u32::try_from(validators.get()).unwrap_or(u32::MAX));
    match reach {
        Reach::Local => {
            lookup::Config::local(handshake, namespace, listen, validators, bytes, CHANNEL_MAILBOX)
        }
        Reach::Internet => lookup::Config::recommended(
            handshake,
            namespace,
            listen,
            validators,
            bytes,
            CHANNEL_MAILBOX,
        ),
    }
}
