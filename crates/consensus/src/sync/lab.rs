//! A peer in this process that has the state of one block, proven as a network proves it: for tests and the benchmark.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use bytes::Bytes;
use cairn_ledger::{Memory, Writes};
use cairn_primitives::TimeMs;
use commonware_consensus::{
    simplex::types::{Context, Finalization, Finalize, Proposal},
    types::{Epoch as Term, Height, Round, View},
};
use commonware_cryptography::{Digest as _, Hasher as _, Sha256, Signer as _, ed25519, sha256};
use commonware_glue::stateful::db::DatabaseSet;
use commonware_parallel::Sequential;
use commonware_runtime::Spawner;
use commonware_storage::Context as StorageContext;
use commonware_utils::non_empty;
use futures::future::BoxFuture;

use super::{Entry, Question, SourceError, StateSource, list, serve_log};
use crate::{
    beacon::Reveal,
    block::Preamble,
    finality::{FinalityProof, namespace, validator_set},
    genesis::NetworkIdentity,
    scheme::Scheme,
    signer::Key,
    tree::{self, Commitment, SharedTree},
    votes::VoteLog,
};

/// Bytes of a page of entries.
const PAGE_BYTES: usize = 1 << 20;

/// A peer that gives the state of one block.
pub(crate) struct Lab<E: StorageContext + Spawner> {
    tree: SharedTree<E>,
    state: Memory,
    headers: Vec<Header>,
    /// Handovers and the certificate.
    pub(crate) proofs: Vec<Bytes>,
    /// Transactions of the last block.
    body: Vec<Bytes>,
    /// Bytes of a page.
    pub(crate) page_bytes: usize,
}

/// A network of one validator whose key is `key`, as far as proofs go.
pub(crate) struct Signer {
    scheme: Scheme,
    key: ed25519::PrivateKey,
}

impl Signer {
    pub(crate) fn new(identity: &NetworkIdentity, key: ed25519::PrivateKey) -> Self {
        let keys = [B256::from_slice(key.public_key().as_ref())];
        let set = validator_set(&keys).expect("one key is a set");
        let domain = namespace(&identity.hash);
        let scheme =
            Scheme::signer(&domain, set, Key::local(key.clone(), identity.hash), VoteLog::closed());
        Self { scheme: scheme.expect("the key is in the set"), key }
    }

    /// The proof that the block with this header and tree is final.
    pub(crate) fn certify(
        &self,
        identity: &NetworkIdentity,
        header: Header,
        commitment: Commitment,
    ) -> FinalityProof {
        let terms = &identity.terms;
        let term = terms.term_of(header.number);
        let ends = header.number == terms.last_of(term);
        let view = View::new(header.number + 1);
        let parent = (View::new(header.number), sha256::Digest::EMPTY);
        let round = Round::new(Term::new(term), view);
        let leader = self.key.public_key();
        let preamble = Preamble {
            context: Context { round, leader: leader.clone(), parent },
            parent: sha256::Digest::EMPTY,
            height: Height::new(header.number),
            log_root: commitment.log_root,
            log_range: commitment.log_range,
            reveal: Reveal::NONE,
            next_validators: if ends { vec![leader] } else { Vec::new() },
            header,
        };
        let body = Sha256::hash(&[&list(&[])]);
        let proposal = Proposal::new(round, parent.0, preamble.block_digest(&body));
        self.scheme.votes().begin(term, TimeMs(1));
        let vote = Finalize::sign(&self.scheme, proposal).expect("the term is open");
        let votes = [vote];
        let votes = non_empty![@votes.iter()];
        let finalization = Finalization::from_finalizes(&self.scheme, votes, &Sequential)
            .expect("one of one is a quorum");
        FinalityProof { preamble, body, finalization }
    }
}

impl<E: StorageContext + Spawner> Lab<E> {
    /// A chain of `height` blocks on an empty `tree`, with these writes.
    pub(crate) async fn new(
        identity: &NetworkIdentity,
        key: ed25519::PrivateKey,
        tree: SharedTree<E>,
        height: u64,
        blocks: impl Fn(u64) -> Writes,
    ) -> Self {
        let signer = Signer::new(identity, key);
        let mut state = Memory::default();
        let mut headers = vec![identity.ledger.genesis_header(B256::ZERO)];
        let (mut proofs, mut before) = (BTreeMap::new(), headers[0].clone());
        for number in 1..=height {
            let writes = blocks(number);
            state.apply(&writes);
            let batch = DatabaseSet::<E>::new_batches(&tree).await;
            let sealed = tree::seal(batch, &writes).await.expect("the tree can be read");
            let commitment = tree::commitment::<E>(&sealed);
            DatabaseSet::<E>::apply(&tree, sealed).await;
            let header = Header {
                number,
                parent_hash: before.hash_slow(),
                state_root: B256::from(commitment.state_root.0),
                ..before
            };
            proofs.insert(number, signer.certify(identity, header.clone(), commitment));
            headers.push(header.clone());
            before = header;
        }
        DatabaseSet::<E>::finalize(&tree).await.durable().await;
        let term = identity.terms.term_of(height);
        let lasts = (0..term).map(|term| identity.terms.last_of(term));
        let proofs = lasts.chain([height]).map(|at| proofs[&at].to_bytes().into()).collect();
        Self { tree, state, headers, proofs, body: Vec::new(), page_bytes: PAGE_BYTES }
    }

    /// What a validator has after a block: its state, the headers up to it, handovers and its certificate, and its transactions.
    #[cfg(test)]
    pub(crate) const fn of(
        tree: SharedTree<E>,
        state: Memory,
        headers: Vec<Header>,
        proofs: Vec<Bytes>,
        body: Vec<Bytes>,
    ) -> Self {
        Self { tree, state, headers, proofs, body, page_bytes: PAGE_BYTES }
    }

    /// The state that it gives.
    pub(crate) const fn state(&self) -> &Memory {
        &self.state
    }

    /// The header of its last block.
    pub(crate) fn header(&self) -> &Header {
        self.headers.last().expect("there is block 0")
    }

    fn entries(&self, after: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let (kind, key) = after.split_first().map_or((0, &[][..]), |(kind, key)| (*kind, key));
        if kind == 0 {
            let from = Address::try_from(key).ok();
            let from = from.map_or(Unbounded, Excluded);
            for (address, account) in self.state.accounts.range((from, Unbounded)) {
                Entry::Account(*address, *account).put(&mut out);
                if out.len() >= self.page_bytes {
                    return out;
                }
            }
        }
        let from =
            (kind == 1).then(|| (Address::from_slice(&key[..20]), U256::from_be_slice(&key[20..])));
        let from = from.map_or(Unbounded, Excluded);
        for ((address, slot), value) in self.state.slots.range((from, Unbounded)) {
            Entry::Slot(*address, *slot, *value).put(&mut out);
            if out.len() >= self.page_bytes {
                return out;
            }
        }
        out
    }

    /// The answer to a question.
    pub(crate) async fn answer(&self, question: Question) -> Result<Bytes, SourceError> {
        let head = self.header().number;
        Ok(match question {
            Question::Proofs { term } => {
                let from = usize::try_from(term).unwrap_or(usize::MAX).min(self.proofs.len() - 1);
                list(&self.proofs[from..]).into()
            }
            Question::Headers { from, count } => {
                let range = self
                    .headers
                    .iter()
                    .filter(|header| (from..from + count).contains(&header.number));
                let items: Vec<Bytes> =
                    range.map(|header| alloy_rlp::encode(header).into()).collect();
                list(&items).into()
            }
            Question::Log(request) => {
                serve_log(&self.tree, &request).await.ok_or(SourceError::Gone)?
            }
            Question::Entries { height, .. } if height != head => return Err(SourceError::Gone),
            Question::Entries { after, .. } => self.entries(&after).into(),
            Question::Codes(hashes) => {
                let codes = hashes.iter().filter_map(|hash| self.state.codes.get(hash));
                list(&codes.map(|code| code.0.clone()).collect::<Vec<_>>()).into()
            }
            Question::Blocks { .. } => return Err(SourceError::Gone),
            Question::Body { height } if height != head => return Err(SourceError::Gone),
            Question::Body { .. } => list(&self.body).into(),
        })
    }
}

impl<E: StorageContext + Spawner> StateSource for Lab<E> {
    fn peers(&self) -> usize {
        1
    }
    fn name(&self, _: usize) -> String {
        "lab".to_owned()
    }
    fn ask(&self, _: usize, question: Question) -> BoxFuture<'_, Result<Bytes, SourceError>> {
        Box::pin(self.answer(question))
    }
}
