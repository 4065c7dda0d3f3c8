//! The file that `init` writes: every key with what it means.

use std::fmt::Write as _;

use cairn_node::disk::STATE_WINDOW;

use super::{Log, Role, Settings, price};

impl Settings {
    /// A commented example.
    pub fn example(role: Role) -> String {
        let mut text = HEAD.to_owned();
        text += match role {
            Role::Validator => P2P,
            Role::Rpc | Role::Ingest => FOLLOW,
        };
        if role == Role::Ingest {
            text += INGEST;
        }
        if role == Role::Validator {
            text += price::EXAMPLE;
        }
        let others =
            if role == Role::Validator { "it replays" } else { "those of follow.upstream" };
        let _ = write!(
            text,
            "{REST}state_window_blocks = {STATE_WINDOW}\n{}{LOG}filter = \"{}\"\nformat = \"text\"\n",
            SYNC.replace("OTHERS", others),
            Log::default().filter
        );
        text
    }
}

const HEAD: &str = r#"# Settings of this node. They are its operator's: a wrong one hurts this node only.
# Every key can be overridden by the environment: CAIRN__RPC__LISTEN=127.0.0.1:9545 sets rpc.listen.

# Hash of the genesis this node may run with (`cairn genesis hash genesis.toml`); another genesis is refused. Optional.
# genesis_hash = "0x…"
"#;

const P2P: &str = r#"
[p2p]
# Where it listens for the other validators: IP:PORT.
listen = "0.0.0.0:8601"
# Where the others reach it: IP:PORT or NAME:PORT. They learn it from this node, signed with its key.
dialable = "203.0.113.7:8601"
# "internet" (public addresses only, careful limits) or "private" (a private network or one machine).
reach = "internet"
# Validators to connect to first, as 0xCONSENSUS_KEY@HOST:PORT; one that runs is enough, it tells where the others are.
# Empty on the node that all others begin with.
bootstrap = []
"#;

const FOLLOW: &str = r#"
[follow]
# JSON-RPC of nodes, asked in turn: they give blocks and take transactions. Nothing they say is believed without a
# certificate of the validators. One or more.
upstream = ["http://203.0.113.7:8545"]
"#;

const INGEST: &str = r#"
[ingest]
# Where devices deliver over HTTP: IP:PORT. Validators fetch its files there; it must be the url in genesis.
http = "0.0.0.0:8600"
# Where devices deliver over MQTT 5: IP:PORT. Optional.
mqtt = "0.0.0.0:1883"
"#;

const REST: &str = r#"
[rpc]
# Where JSON-RPC listens: IP:PORT. Only loopback unless the public may use this node.
listen = "127.0.0.1:8545"
# Most connections at once, 1 or more.
connections_max = 512

[http]
# Where archive files, blocks, /health, /ready and /metrics are served: IP:PORT.
listen = "0.0.0.0:8602"
# How others reach it: a URL. Needed when it listens on all addresses.
public_url = "http://203.0.113.7:8602"

[archive]
# Archives of other nodes, asked for evidence files that this node lacks: base URLs (their http.public_url).
peers = []

[data]
# Folder of the ledger, relative to this file's folder.
folder = "data"
# "archive" keeps every block; "pruned" only the last `blocks` (1,024 or more), and the certificates that lead from genesis to them.
mode = "archive"
# Blocks that a pruned node keeps.
blocks = 65536
# Past blocks whose state JSON-RPC can read: 64 or more; each costs some kilobytes.
"#;

const SYNC: &str = r#"
[sync]
# How an empty folder is filled: "state" takes the state of a recent final block, proven by the validators' certificates, in seconds;
# "replay" fetches and executes every block from the first. Both give the same state.
mode = "state"
# JSON-RPC of nodes that are asked for the state, none of them trusted. Empty: OTHERS.
peers = []
# Chains of fewer blocks are replayed whatever the mode: that is done sooner.
short_blocks = 1024
# The last block of a term, from a source you trust, as TERM:0xHASH: then nobody who validated long ago can lead you astray. Optional.
# trusted = "12:0x…"
"#;

const LOG: &str = r#"
[log]
# What is logged to standard error; CAIRN_LOG overrides it.
# format: "text" or "json" (one object a line).
"#;
