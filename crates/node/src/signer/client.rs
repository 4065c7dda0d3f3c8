//! The validator's half: asks the process that holds its key.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use cairn_consensus::{ConsensusSigner, Reveal, VoteAsk};
use cairn_primitives::Digest;

use super::{
    SignerStatus,
    wire::{Reply, Request, receive, send},
};

/// How long a signature may take, on one connection or two. A vote that comes later is a lost vote; the engine waits for it meanwhile.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the answer to a question may take for which no vote waits.
const PATIENCE_APART: Duration = Duration::from_secs(10);

/// Asks over a Unix socket; clones share the connection, which is made again when it breaks.
#[derive(Clone, Debug)]
pub struct SocketSigner(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    socket: PathBuf,
    public_key: [u8; 32],
    genesis: Digest,
    stream: Mutex<Option<UnixStream>>,
    /// For signatures.
    patience: Duration,
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
        Self::connect_with(socket, PATIENCE)
    }

    /// The same, with time for each signature.
    pub(super) fn connect_with(socket: &Path, patience: Duration) -> Result<Self, SignerError> {
        let mut shared = Shared::new(socket, patience);
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

    /// How the signer at a socket is. It is asked on a connection of its own, so that no vote waits for it.
    ///
    /// # Errors
    /// When nobody answers, or not as a signer.
    pub fn status(socket: &Path) -> Result<SignerStatus, SignerError> {
        let answer = Shared::new(socket, PATIENCE).answer(&Request::Status)?;
        SignerStatus::from_bytes(&answer)
            .ok_or_else(|| SignerError::Answer { socket: socket.to_owned() })
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
    fn new(socket: &Path, patience: Duration) -> Self {
        Self {
            socket: socket.to_owned(),
            public_key: [0; 32],
            genesis: Digest::ZERO,
            stream: Mutex::default(),
            patience,
        }
    }

    fn ask<const N: usize>(&self, request: &Request) -> Result<[u8; N], SignerError> {
        let answer = self.answer(request)?;
        answer.try_into().map_err(|_| SignerError::Answer { socket: self.socket.clone() })
    }

    fn answer(&self, request: &Request) -> Result<Vec<u8>, SignerError> {
        let socket = || self.socket.clone();
        let body = request.encode().map_err(|_| SignerError::Answer { socket: socket() })?;
        let patience = match request {
            Request::Vote(_) | Request::Reveal { .. } | Request::Hello { .. } => self.patience,
            Request::Who | Request::Possession(_) | Request::Status => PATIENCE_APART,
        };
        let reply = self.exchange(&body, patience);
        let reply = reply.map_err(|source| SignerError::Away { socket: socket(), source })?;
        match Reply::decode(&reply) {
            Some(Reply::Done(answer)) => Ok(answer),
            Some(Reply::Refused { number, reason }) => {
                Err(SignerError::Refused { socket: socket(), number, reason })
            }
            None => Err(SignerError::Answer { socket: socket() }),
        }
    }

    /// One question and its answer. A connection from before may have been closed since: the question is asked again on a new one, within
    /// the same time. Who says nothing on the one says nothing on the other, so silence is not waited for twice.
    fn exchange(&self, body: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
        let mut slot = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + patience;
        // A connection that fails is dropped, because a late answer must not be taken for the next.
        let asked = slot.take().map(|stream| Until { stream, deadline }.exchange(body));
        let (stream, reply) = match asked {
            Some(Err(error)) if is_silence(&error) => return Err(error),
            Some(Ok(answered)) => answered,
            Some(Err(_)) | None => {
                let stream = UnixStream::connect(&self.socket)?;
                Until { stream, deadline }.exchange(body)?
            }
        };
        *slot = Some(stream);
        Ok(reply)
    }
}

/// Whether nothing came in time: what a read or a write with a timeout says, by platform.
fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A connection that reads and writes until a moment and no longer.
struct Until {
    stream: UnixStream,
    deadline: Instant,
}

impl Until {
    fn exchange(mut self, body: &[u8]) -> io::Result<(UnixStream, Vec<u8>)> {
        send(&mut self, body)?;
        let reply = receive(&mut self)?;
        Ok((self.stream, reply))
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Until {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Until {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
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
