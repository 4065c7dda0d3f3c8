//! The validator's half: asks the process that holds its key.

use std::{
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy_primitives::Address;
use cairn_consensus::{ConsensusSigner, Reveal, VoteAsk};
use cairn_primitives::Digest;

use super::wire::{Reply, Request, receive, send};

/// How long an answer may take. A vote that comes later is a lost vote; the engine waits for it meanwhile.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks over a Unix socket; clones share the connection, which is made again when it breaks.
#[derive(Clone, Debug)]
pub struct SocketSigner(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    socket: PathBuf,
    public_key: [u8; 32],
    genesis: Digest,
    stream: Mutex<Option<UnixStream>>,
}

/// Why the holder of the key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// Nobody answers.
    #[error(
        "no signer answers at {socket}: does `cairn signer run` run, and may this user open the socket?"
    )]
    Away {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An answer that cannot be read.
    #[error("who answers at {socket} is no signer")]
    Answer {
        /// The socket.
        socket: PathBuf,
    },
    /// A refusal.
    #[error("the signer at {socket} refused ({number}): {reason}")]
    Refused {
        /// The socket.
        socket: PathBuf,
        /// Its number.
        number: u8,
        /// In words.
        reason: String,
    },
}

impl SocketSigner {
    /// The signer behind a socket, which must answer now.
    ///
    /// # Errors
    /// When nobody answers, or not as a signer.
    pub fn connect(socket: &Path) -> Result<Self, SignerError> {
        let mut shared = Shared {
            socket: socket.to_owned(),
            public_key: [0; 32],
            genesis: Digest::ZERO,
            stream: Mutex::default(),
        };
        let who: [u8; 64] = shared.ask(&Request::Who)?;
        shared.public_key.copy_from_slice(&who[..32]);
        shared.genesis.0.copy_from_slice(&who[32..]);
        Ok(Self(Arc::new(shared)))
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        self.0.public_key
    }

    /// The network that it signs for.
    #[must_use]
    pub fn genesis(&self) -> Digest {
        self.0.genesis
    }

    /// The proof that the key is this operator's (docs/spec/stake.md).
    ///
    /// # Errors
    /// When nobody answers.
    pub fn possession(&self, operator: Address) -> Result<[u8; 64], SignerError> {
        self.0.ask(&Request::Possession(operator))
    }

    /// An answer, or nothing and a line in the log.
    fn ask<const N: usize>(&self, request: &Request) -> Option<[u8; N]> {
        match self.0.ask(request) {
            Ok(answer) => Some(answer),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the consensus key did not sign");
                None
            }
        }
    }
}

impl Shared {
    fn ask<const N: usize>(&self, request: &Request) -> Result<[u8; N], SignerError> {
        let socket = || self.socket.clone();
        let body = request.encode().map_err(|_| SignerError::Answer { socket: socket() })?;
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        // A connection that was fine before may have been closed since: the second attempt has a new one.
        let reply = match self.exchange(&mut stream, &body) {
            Err(_) => self.exchange(&mut stream, &body),
            reply => reply,
        };
        let reply = reply.map_err(|source| SignerError::Away { socket: socket(), source })?;
        match Reply::decode(&reply) {
            Some(Reply::Done(answer)) => {
                answer.try_into().map_err(|_| SignerError::Answer { socket: socket() })
            }
            Some(Reply::Refused { number, reason }) => {
                Err(SignerError::Refused { socket: socket(), number, reason })
            }
            None => Err(SignerError::Answer { socket: socket() }),
        }
    }

    /// One question and its answer; a connection that fails is dropped, because a late answer must not be taken for the next.
    fn exchange(
        &self,
        slot: &mut MutexGuard<'_, Option<UnixStream>>,
        body: &[u8],
    ) -> io::Result<Vec<u8>> {
        let mut stream = match slot.take() {
            Some(stream) => stream,
            None => {
                let stream = UnixStream::connect(&self.socket)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                stream
            }
        };
        send(&mut stream, body)?;
        let reply = receive(&mut stream)?;
        **slot = Some(stream);
        Ok(reply)
    }
}

impl ConsensusSigner for SocketSigner {
    fn public_key(&self) -> [u8; 32] {
        self.key()
    }

    fn vote(&self, ask: &VoteAsk) -> Option<[u8; 64]> {
        self.ask(&Request::Vote(*ask))
    }

    fn hello(&self, namespace: &[u8], message: &[u8]) -> Option<[u8; 64]> {
        self.ask(&Request::Hello { domain: namespace.to_vec(), message: message.to_vec() })
    }

    fn reveal(&self, term: u64, view: u64) -> Option<Reveal> {
        self.ask(&Request::Reveal { term, view }).map(Reveal::from_bytes)
    }
}
