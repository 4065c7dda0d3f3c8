//! The half that holds the key: answers on a Unix socket that only its own user may open.

use std::{
    fs, io,
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use cairn_consensus::{Guard, Refusal};
use cairn_kit::Shutdown;

use super::{
    status::Tally,
    wire::{Reply, Request, receive, send},
};

/// Connections at a time: one validator has one, and one more while it makes a new one.
const CONNECTIONS_MAX: usize = 8;
/// How long a connection may say nothing: a validator that waits for its term says nothing for hours.
const SILENCE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Why the signer cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {socket}")]
pub struct ServeError {
    /// The socket.
    socket: PathBuf,
    /// Why.
    #[source]
    source: io::Error,
}

/// Answers at `socket` until `shutdown`; `ready` is called once it listens. A socket that a killed signer left is taken over, one that
/// is answered is not.
///
/// # Errors
/// When the socket is in use or cannot be made.
pub async fn serve(
    guard: Guard,
    socket: &Path,
    ready: impl FnOnce(),
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let fail = |source| ServeError { socket: socket.to_owned(), source };
    if UnixStream::connect(socket).is_ok() {
        return Err(fail(io::ErrorKind::AddrInUse.into()));
    }
    let _ = fs::remove_file(socket);
    let listener = UnixListener::bind(socket).map_err(fail)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600)).map_err(fail)?;
    let ending = Arc::new(AtomicBool::new(false));
    let (signer, ends) = (Arc::new(Signer::new(guard)), Arc::clone(&ending));
    let accepting = thread::spawn(move || accept(&listener, &signer, &ends));
    ready();
    shutdown.requested().await;
    ending.store(true, Ordering::Relaxed);
    // Wakes the thread that waits for connections.
    let _ = UnixStream::connect(socket);
    let _ = accepting.join();
    let _ = fs::remove_file(socket);
    Ok(())
}

/// The key behind its guard, and what it did.
pub(super) struct Signer {
    guard: Guard,
    tally: Tally,
}

fn accept(listener: &UnixListener, signer: &Arc<Signer>, ending: &AtomicBool) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if ending.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!("too many connections: one is closed");
            continue;
        }
        let (signer, open) = (Arc::clone(signer), Arc::clone(&open));
        thread::spawn(move || {
            let _ = answer_all(&signer, stream);
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Answers a connection until it ends.
fn answer_all(signer: &Signer, mut stream: UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    loop {
        let body = receive(&mut stream)?;
        send(&mut stream, &signer.answer(&body).encode())?;
    }
}

impl Signer {
    pub(super) fn new(guard: Guard) -> Self {
        Self { guard, tally: Tally::new() }
    }

    /// What is said to a request.
    pub(super) fn answer(&self, body: &[u8]) -> Reply {
        let answer = match Request::decode(body) {
            Ok(request) => self.ask(&request).map_err(|refusal| (refusal, refusal.to_string())),
            Err(error) => Err((Refusal::Malformed, error.to_string())),
        };
        answer.map_or_else(
            |(refusal, reason)| {
                self.tally.refused(refusal);
                tracing::warn!(%reason, "a request was refused");
                Reply::Refused { number: refusal as u8, reason }
            },
            Reply::Done,
        )
    }

    fn ask(&self, request: &Request) -> Result<Vec<u8>, Refusal> {
        let Self { guard, tally } = self;
        match request {
            Request::Who => Ok([guard.public_key(), guard.genesis().0].concat()),
            Request::Hello { domain, message } => {
                guard.hello(domain, message).map(|signature| signature.to_vec())
            }
            Request::Vote(ask) => {
                let signature = guard.vote(ask)?;
                tally.signed(*ask);
                Ok(signature.to_vec())
            }
            Request::Reveal { term, view } => {
                guard.reveal(*term, *view).map(|reveal| reveal.to_bytes().to_vec())
            }
            Request::Possession(operator) => Ok(guard.possession(*operator).to_vec()),
            Request::Status => Ok(tally.status(guard.public_key(), guard.genesis()).to_bytes()),
        }
    }
}
