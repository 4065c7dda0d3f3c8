//! A consensus key in another process: `cairn signer run` holds it behind a Unix socket, and the validator asks.
//!
//! ```text
//! validator ─► SocketSigner ─► socket, mode 0600 ─► serve ─► Guard: its log of votes, fsync ─► the key
//! ```
//! Who reaches the socket can make the key vote, but never twice in one view; another host is reached through a tunnel that carries
//! Unix sockets (docs/runbooks/validator.md). The bytes are in docs/spec/signer.md.

mod client;
mod server;
mod status;
#[cfg(test)]
mod tests;
mod wire;

pub use client::{SignerError, SocketSigner};
pub use server::{ServeError, serve};
pub use status::{LastVote, Refused, SignedKind, SignerStatus};
pub use wire::{Reply, Request, WireError};
