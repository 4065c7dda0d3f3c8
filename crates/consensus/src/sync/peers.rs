//! Asking peers: in turn, each answer checked before it counts. A peer whose answer does not stand is named and asked no more.

use std::{
    collections::BTreeSet,
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy_consensus::Header;
use alloy_primitives::{B256, keccak256};
use bytes::Bytes;
use cairn_ledger::params::BLOCK_TXS_MAX;
use commonware_codec::{Copying, Decode as _, DecodeExt as _, Encode as _};
use commonware_cryptography::{Hasher as _, Sha256, sha256};
use commonware_runtime::Spawner;
use commonware_storage::{
    Context as StorageContext, mmr,
    qmdb::{
        self,
        sync::{Database, Request, Response, Source, source},
    },
};
use commonware_utils::NZU64;
use futures::future::BoxFuture;
use rand_core::CryptoRng;

use super::{
    CODES, Entry, SyncError,
    anchor::{Anchor, PROOFS_MAX, Trusted, Walk, list, read_list},
    read_entries, read_headers,
};
use crate::{
    block::Block,
    genesis::NetworkIdentity,
    tree::{SharedTree, Tree},
};

/// Operations of the log in one answer: about 270 KB.
pub const LOG_OPERATIONS_MAX: NonZeroU64 = NZU64!(4_096);
/// Most code that one account has, EIP-170, times those of one answer, with room for lengths.
const CODE_BYTES_MAX: usize = 24_576 + 64;
/// Rounds through all peers before a question is given up.
const ROUNDS: u32 = 8;
/// Pause after the first round; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// What a peer is asked. Every answer is bytes (docs/spec/sync.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// A list of finality proofs: the handovers of terms from this one on, and last the certificate of a recent block, unless there are
    /// more handovers than one answer takes.
    Proofs {
        /// The first term.
        term: u64,
    },
    /// A list of headers.
    Headers {
        /// Height of the first.
        from: u64,
        /// How many.
        count: u64,
    },
    /// Operations of the state tree's log with their proof: request and answer are the engine's own.
    Log(Bytes),
    /// Accounts and slots of the state after a block.
    Entries {
        /// The block.
        height: u64,
        /// The place after which they begin; empty for the first.
        after: Vec<u8>,
    },
    /// A list of code.
    Codes(Vec<B256>),
    /// Whole blocks, for a validator that has no peers.
    Blocks {
        /// Height of the first.
        from: u64,
        /// How many, at most.
        count: u64,
    },
    /// The list of a block's raw transactions.
    Body {
        /// The block.
        height: u64,
    },
}

/// Why a peer gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It does not have that any more.
    #[error("it no longer has that")]
    Gone,
    /// It cannot be asked now.
    #[error("it cannot be asked: {0}")]
    Unreachable(String),
}

/// Peers that can be asked for a state.
pub trait StateSource: Send + Sync + 'static {
    /// How many there are.
    fn peers(&self) -> usize;
    /// How an operator knows a peer.
    fn name(&self, peer: usize) -> String;
    /// Asks a peer, with a deadline and a bound on the size of the answer.
    fn ask(&self, peer: usize, question: Question) -> BoxFuture<'_, Result<Bytes, SourceError>>;
}

/// All peers of a state sync.
pub(crate) struct Peers<E>(Arc<Inner<E>>);

struct Inner<E> {
    context: E,
    source: Arc<dyn StateSource>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who is asked first.
    first: usize,
    /// Who lied.
    left: BTreeSet<usize>,
    /// Who gave entries since they were last begun.
    gave: BTreeSet<usize>,
}

impl<E> Clone for Peers<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// How far the asking of one question is.
#[derive(Default)]
struct Turn {
    round: u32,
    offset: usize,
    /// Whether somebody may still have it.
    there: bool,
}

impl<E: StorageContext + Spawner> Peers<E> {
    pub(crate) fn new(context: E, source: Arc<dyn StateSource>) -> Self {
        Self(Arc::new(Inner { context, source, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, peer: usize, what: &str, reason: &str) {
        let name = self.0.source.name(peer);
        tracing::warn!(
            peer = name,
            "state sync: {what} of this node do not stand ({reason}): it is asked no more"
        );
        self.state().left.insert(peer);
    }

    /// The next peer's answer; `None` when nobody has that any more, an error when no peer is left or none answers.
    async fn next(
        &self,
        turn: &mut Turn,
        what: &'static str,
        question: &Question,
    ) -> Result<Option<(usize, Bytes)>, SyncError> {
        let Inner { context, source, .. } = &*self.0;
        let all = source.peers();
        while turn.round < ROUNDS {
            while turn.offset < all {
                let peer = (self.state().first + turn.offset) % all;
                turn.offset += 1;
                if self.state().left.contains(&peer) {
                    continue;
                }
                match source.ask(peer, question.clone()).await {
                    Ok(answer) => return Ok(Some((peer, answer))),
                    Err(SourceError::Gone) => {}
                    Err(error @ SourceError::Unreachable(_)) => {
                        turn.there = true;
                        tracing::debug!(
                            peer = source.name(peer), %error,
                            "state sync: the next node is asked"
                        );
                    }
                }
            }
            if self.state().left.len() >= all {
                return Err(SyncError::NoPeer(what));
            }
            if !turn.there {
                return Ok(None);
            }
            context.sleep(PAUSE.saturating_mul(1 << turn.round)).await;
            *turn = Turn { round: turn.round + 1, ..Turn::default() };
        }
        Err(SyncError::NoPeer(what))
    }

    /// Asks one peer after the other until an answer passes `check`; `None` when nobody has that any more.
    async fn ask<T>(
        &self,
        what: &'static str,
        question: &Question,
        mut check: impl FnMut(&Bytes) -> Result<T, String>,
    ) -> Result<Option<T>, SyncError> {
        let mut turn = Turn::default();
        while let Some((peer, answer)) = self.next(&mut turn, what, question).await? {
            match check(&answer) {
                Ok(good) => {
                    self.state().first = peer;
                    return Ok(Some(good));
                }
                Err(reason) => self.leave(peer, what, &reason),
            }
        }
        Ok(None)
    }

    /// The newest certified block of the peers, proven from genesis.
    pub(crate) async fn anchor(
        &self,
        network: &NetworkIdentity,
        trusted: Option<Trusted>,
        rng: &mut impl CryptoRng,
    ) -> Result<Anchor, SyncError> {
        const WHAT: &str = "proofs of a recent block";
        let mut walk = Walk::new(network, trusted);
        let mut known: Vec<Bytes> = Vec::new();
        loop {
            let question = Question::Proofs { term: walk.term };
            let answer = self
                .ask(WHAT, &question, |answer| {
                    let items = read_list(answer, PROOFS_MAX + 1).ok_or("no list of proofs")?;
                    if items.len() > PROOFS_MAX {
                        // More terms than one answer takes: only handovers.
                        let mut next = walk.clone();
                        for item in &items {
                            next.handover(item, rng).map_err(|error| error.to_string())?;
                        }
                        walk = next;
                        return Ok((items, None));
                    }
                    let all: Vec<Bytes> = known.iter().cloned().chain(items.clone()).collect();
                    let anchor = Anchor::of_proofs(network, trusted, list(&all), rng)
                        .map_err(|error| chain_of(&error))?;
                    Ok((items, Some(anchor)))
                })
                .await?;
            match answer {
                Some((_, Some(anchor))) => return Ok(anchor),
                Some((items, None)) => known.extend(items),
                None => return Err(SyncError::NoPeer(WHAT)),
            }
        }
    }

    /// The headers that end with `last`, at most `count`, oldest first.
    pub(crate) async fn headers(
        &self,
        last: &Header,
        count: u64,
    ) -> Result<Option<Vec<Header>>, SyncError> {
        let from = (last.number + 1).saturating_sub(count);
        let question = Question::Headers { from, count: last.number + 1 - from };
        let answer = self.ask("headers", &question, |answer| {
            let headers = read_headers(answer).ok_or("no list of headers")?;
            let linked = headers.windows(2).all(|pair| {
                pair[1].parent_hash == pair[0].hash_slow() && pair[1].number == pair[0].number + 1
            });
            let whole =
                headers.last() == Some(last) && headers.first().map(|h| h.number) == Some(from);
            if linked && whole { Ok(headers) } else { Err("another chain".to_owned()) }
        });
        answer.await
    }

    /// The page of entries after `after`, each as the tree has it; empty at the end.
    pub(crate) async fn entries(
        &self,
        tree: &Tree<E>,
        height: u64,
        after: &[u8],
    ) -> Result<Option<Vec<Entry>>, SyncError> {
        let question = Question::Entries { height, after: after.to_vec() };
        let (what, mut turn) = ("accounts and slots", Turn::default());
        while let Some((peer, answer)) = self.next(&mut turn, what, &question).await? {
            match checked(tree, &answer, after).await {
                Ok(entries) => {
                    let mut state = self.state();
                    state.first = peer;
                    state.gave.insert(peer);
                    return Ok(Some(entries));
                }
                Err(reason) => self.leave(peer, what, &reason),
            }
        }
        Ok(None)
    }

    /// Fewer entries came than the tree has. Where one peer gave all of them it left some out; otherwise another begins next time.
    pub(crate) fn short(&self, expected: u64, found: u64, fresh: bool) {
        let mut gave = std::mem::take(&mut self.state().gave);
        let reason = format!("it gave {found} of {expected}");
        match gave.pop_first() {
            Some(peer) if fresh && gave.is_empty() => {
                self.leave(peer, "accounts and slots", &reason)
            }
            _ => {
                tracing::warn!(
                    expected,
                    found,
                    "state sync: some node left entries out; it begins anew with another"
                );
                self.state().first += 1;
            }
        }
    }

    /// The anchor's whole block.
    pub(crate) async fn block(&self, anchor: &Anchor) -> Result<Option<Block>, SyncError> {
        let proof = anchor.proof();
        let question = Question::Body { height: proof.preamble.height.get() };
        let answer = self.ask("the transactions of a block", &question, |answer| {
            if Sha256::hash(&[answer]) != proof.body {
                return Err("they are not those of its digest".to_owned());
            }
            read_list(answer, BLOCK_TXS_MAX).ok_or_else(|| "no list".to_owned())
        });
        let preamble = proof.preamble.clone();
        Ok(answer.await?.map(|transactions| Block { preamble, transactions }))
    }

    /// Code of these hashes, at least one of them.
    pub(crate) async fn codes(&self, hashes: &[B256]) -> Result<Vec<Bytes>, SyncError> {
        let question = Question::Codes(hashes.to_vec());
        let answer = self.ask("code", &question, |answer| {
            let codes = read_list(answer, CODES).ok_or("no list of code")?;
            let asked =
                |code: &Bytes| code.len() <= CODE_BYTES_MAX && hashes.contains(&keccak256(code));
            if !codes.is_empty() && codes.iter().all(asked) {
                Ok(codes)
            } else {
                Err("not the code of these hashes".to_owned())
            }
        });
        answer.await?.ok_or(SyncError::NoPeer("code"))
    }
}

/// The entries of an answer, when the tree has each of them.
async fn checked<E: StorageContext + Spawner>(
    tree: &Tree<E>,
    answer: &[u8],
    after: &[u8],
) -> Result<Vec<Entry>, String> {
    let entries = read_entries(answer, after).map_err(|error| error.to_string())?;
    let leaves: Vec<_> = entries.iter().map(Entry::in_tree).collect();
    let keys: Vec<_> = leaves.iter().map(|(key, _)| key).collect();
    // All at once: they are read in the log's order, and each of its pages once.
    let found = tree.new_batch().get_many(&keys, tree).await;
    let found = found.map_err(|error| format!("the tree cannot be read here: {error}"))?;
    for (entry, ((_, value), found)) in entries.iter().zip(leaves.iter().zip(found)) {
        if found != Some(*value) {
            return Err(format!("{entry:?} is not in the state"));
        }
    }
    Ok(entries)
}

/// An error with what caused it.
fn chain_of(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain_of(cause)),
        None => error.to_string(),
    }
}

/// Why the log could not be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error("no peer has the log any more")]
    Gone,
    #[error("no peer gave a log that stands")]
    NoPeer,
}

/// Peers, as the engine asks for a log.
pub(crate) struct LogSource<E> {
    pub(crate) peers: Peers<E>,
    /// What proofs lead to.
    pub(crate) root: sha256::Digest,
}

type Op<E> = <Tree<E> as Database>::Op;
type LogResponse<E> = Response<mmr::Family, Op<E>, sha256::Digest>;

impl<E: StorageContext + Spawner> Source for LogSource<E> {
    type Family = mmr::Family;
    type Digest = sha256::Digest;
    type Op = Op<E>;
    type Error = LogError;

    async fn serve(&self, request: Request<mmr::Family>) -> source::Result<Self> {
        let question = Question::Log(request.encode());
        let answer = self.peers.ask("the log", &question, |answer| {
            let most = usize::try_from(request.max_ops().get()).unwrap_or(usize::MAX);
            let response = LogResponse::<E>::decode_cfg(Copying(&answer[..]), &(most, ()))
                .map_err(|error| error.to_string())?;
            if stands::<E>(&request, &response, &self.root) {
                Ok(response)
            } else {
                Err("its proof does not lead to the log root".to_owned())
            }
        });
        match answer.await {
            Ok(Some(response)) => Ok((response, None)),
            Ok(None) => Err(LogError::Gone),
            Err(_) => Err(LogError::NoPeer),
        }
    }
}

/// Whether an answer is what was asked, under the root. The engine checks it again; this check says whose answer was wrong.
fn stands<E: StorageContext + Spawner>(
    request: &Request<mmr::Family>,
    response: &LogResponse<E>,
    root: &sha256::Digest,
) -> bool {
    if response.proof().leaves != request.size() {
        return false;
    }
    match (request, response) {
        (Request::Operations { start, .. }, Response::Operations { proof, operations }) => {
            !operations.is_empty()
                && qmdb::verify_proof::<Sha256, _, _>(proof, *start, operations, root)
        }
        (Request::Boundary { start, .. }, Response::Boundary { proof, op, pinned_nodes }) => {
            qmdb::verify_proof_and_pinned_nodes::<Sha256, _, _>(
                proof,
                *start,
                std::slice::from_ref(op),
                pinned_nodes,
                root,
            )
        }
        _ => false,
    }
}

/// Answers a peer's question about the log; `None` when it makes no sense or the tree is not that far.
pub(crate) async fn serve_log<E: StorageContext + Spawner>(
    tree: &SharedTree<E>,
    request: &[u8],
) -> Option<Bytes> {
    let request = Request::<mmr::Family>::decode(Copying(request)).ok()?;
    if request.max_ops() > LOG_OPERATIONS_MAX {
        return None;
    }
    let (response, _) = tree.read().await.serve(request).await.ok()?;
    Some(response.encode())
}
