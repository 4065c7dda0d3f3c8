//! Peer-to-peer: authenticated, encrypted connections between the validators, one channel per protocol.
//!
//! Who may connect is who has a seat in one of the last terms or the coming one; where they are is found out: a validator dials the peers it was told about,
//! and they tell it, signed by each validator itself, where the others are (docs/adr/0015-hosts.md).
//!
//! Memory is preallocated as `quota × peers × tracked sets`, so each channel's quota is what its protocol sends, not "large".

use std::{
    fmt,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    str::FromStr,
    time::Duration,
};

use commonware_codec::FixedSize as _;
use commonware_consensus::{
    marshal::{self, standard::Standard},
    simplex,
};
use commonware_cryptography::{ChaCha20Poly1305, ed25519, sha256};
use commonware_glue::stateful::{db::p2p as tree_sync, probe};
use commonware_p2p::{Ingress, authenticated::discovery, max_message_size};
use commonware_runtime::Quota;
use commonware_storage::{mmr, qmdb::any::unordered::fixed::Operation};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{Hostname, NZU32, NZUsize};

use crate::{
    block::Block,
    params::{GOSSIP_BYTES_MAX, SYNC_BATCH},
    scheme::Scheme,
    signer::Key,
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
/// Validators of the term before that are peers in a term without having a seat in it: enough to fetch blocks from.
pub(crate) const BEFORE_MAX: usize = 16;
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
    /// On the internet: public addresses only, one handshake in five seconds from an address, a peer is tried once a minute.
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

/// Where a peer can be reached: an address and a port, or a name and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub(crate) Ingress);

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        Self(Ingress::Socket(address))
    }
}

/// Text that is no peer address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no peer address: write IP:PORT or NAME:PORT, like 203.0.113.7:8601")]
pub struct PeerAddressError(pub String);

impl FromStr for PeerAddress {
    type Err = PeerAddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if address.port() == 0 || address.ip().is_unspecified() {
                Err(PeerAddressError(text.to_owned()))
            } else {
                Ok(address.into())
            };
        }
        let named = text.rsplit_once(':').and_then(|(host, port)| {
            Some(Ingress::Dns { host: Hostname::new(host).ok()?, port: port.parse().ok()? })
        });
        named.filter(|named| named.port() != 0).map(Self).ok_or(PeerAddressError(text.to_owned()))
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ingress::Socket(address) => address.fmt(f),
            Ingress::Dns { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// Where one validator listens, is reached, and begins to look for the others.
pub(crate) struct Place {
    pub(crate) listen: SocketAddr,
    pub(crate) dialable: PeerAddress,
    pub(crate) bootstrap: Vec<(ed25519::PublicKey, PeerAddress)>,
    pub(crate) reach: Reach,
}

/// The configuration of the network of one validator.
pub(crate) fn config(
    key: Key,
    namespace: &[u8],
    place: Place,
    seats: usize,
) -> discovery::Config<Cups<Sake<Key>, ChaCha20Poly1305>> {
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer: key,
            synchrony_bound: HANDSHAKE_SKEW,
            max_handshake_age: HANDSHAKE_AGE,
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let bytes = message_bytes_max(u32::try_from(seats).unwrap_or(u32::MAX));
    // A term's own validators, some of the term before, whom the settings name, and this node itself.
    let others = seats.min(BEFORE_MAX) + place.bootstrap.len();
    let peers = NonZeroUsize::MIN.saturating_add(seats + others);
    let bootstrap = place.bootstrap.into_iter().map(|(key, at)| (key, at.0)).collect();
    let preset = match place.reach {
        Reach::Local => discovery::Config::local,
        Reach::Internet => discovery::Config::recommended,
    };
    preset(
        handshake,
        namespace,
        place.listen,
        place.dialable.0,
        bootstrap,
        peers,
        bytes,
        CHANNEL_MAILBOX,
    )
}

/// The peers connected now, from the network's own metrics: the engine has no other way to tell.
pub(crate) fn connected(metrics: &str) -> Vec<String> {
    let peer = |line: &str| {
        let rest = line.strip_prefix(CONNECTED_METRIC)?.strip_prefix("{peer=\"")?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    metrics.lines().filter_map(peer).collect()
}

/// Name of the gauge that the network keeps for every connected peer.
const CONNECTED_METRIC: &str = "network_tracker_directory_connected";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_addresses_are_addresses_or_names_with_a_port() {
        for text in ["10.0.0.1:8601", "[2001:db8::1]:8601", "validator-1.example.org:8601"] {
            assert_eq!(text.parse::<PeerAddress>().unwrap().to_string(), text);
        }
        for text in ["", "10.0.0.1", "10.0.0.1:0", "0.0.0.0:8601", "a b:1", "host:70000", ":1"] {
            assert!(text.parse::<PeerAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn connected_peers_are_read_from_the_metrics() {
        let text = "# TYPE network_tracker_directory_connected gauge\n\
            network_tracker_directory_connected{peer=\"aa\"} 17\nnetwork_tracker_directory_reserved 1\n\
            network_tracker_directory_connected{peer=\"bb\"} 18\n";
        assert_eq!(connected(text), ["aa", "bb"]);
    }
}
