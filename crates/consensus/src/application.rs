//! The ledger as the engine's application: propose, process, and commit what is final.
//!
//! ```text
//! propose   parent ─► env(time, beneficiary) ─► Ledger::build on the state after the parent ─► tree batch ─► header ─► block
//! process   block ─► time rules, next validators ─► Ledger::verify on the state after its parent ─► tree batch ─► same header? ─► sealed batch
//! finalized block ─► Disk::commit (fsync) ─► pool, followers ─► only then the engine acknowledges it to the archive
//! ```
//!
//! Crash safety. The engine applies a final block to the tree, calls `finalized`, and acknowledges it to marshal only when
//! `finalized` returned *and* the tree is durable. On start it rewinds the tree to marshal's acknowledged block A and
//! delivers A+1, A+2, … again. So the disk is never behind A, and at most `PENDING_ACKS` + 1 blocks ahead of it: such a
//! block is not executed again but replayed from `Disk::writes_of`, its tree root is checked, and its commit skipped. A disk that *is* behind
//! (restored from a copy) is brought to A from marshal's archive before the engine starts (`catch_up`).
//!
//! Invariant: nothing here reads a clock, a random number or the pool to decide whether a block is valid; the clock may
//! only delay the answer.

use std::{borrow::Cow, sync::Arc};

use alloy_consensus::{Header, TxEnvelope, transaction::Recovered};
use alloy_eips::Encodable2718 as _;
use alloy_primitives::{Address, B256, keccak256};
use bytes::Bytes;
use cairn_ledger::{BlockError, Ledger, Writes, decode_transaction, params::BLOCK_TXS_MAX};
use cairn_primitives::TimeMs;
#[cfg(test)]
use commonware_consensus::types::Round;
use commonware_consensus::{
    Heightable as _,
    marshal::{self, ancestry::Ancestry, standard::Standard},
    types::Height,
};
#[cfg(test)]
use commonware_cryptography::ed25519;
use commonware_cryptography::{Digestible as _, sha256::Digest};
use commonware_glue::stateful::{Application, Finality, Input, Proposed, db::DatabaseSet};
use commonware_runtime::{Clock, Spawner};
use commonware_storage::{Context as StorageContext, qmdb::sync::Target};
use futures::StreamExt as _;
use tokio::sync::watch;

use crate::{
    beacon::{self, Beacon},
    block::{Block, BlockContext, Preamble},
    finality::FinalityProof,
    params::{BLOCK_STEP_MS, CLOCK_DRIFT_MS, POLL, PRUNE_EVERY},
    ports::{Disk, FinalBlock, NetworkTime, Pool},
    scheme::Scheme,
    signer::Key,
    speculation::{Layer, Speculation},
    terms::Terms,
    tree::{self, Sealed, SharedTree},
};

/// Marshal's mailbox for our blocks.
pub(crate) type Marshal = marshal::core::Mailbox<Scheme, Standard<Block>>;

/// What every part of the application shares.
pub(crate) struct Chain {
    pub(crate) ledger: Ledger,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) pool: Arc<dyn Pool>,
    pub(crate) time: Arc<dyn NetworkTime>,
    /// Network milliseconds in a wall millisecond.
    pub(crate) time_scale: u64,
    /// Who may lead, and which account earns the tips of a leader's blocks.
    pub(crate) terms: Terms,
    pub(crate) beacon: Beacon,
    /// This validator's own, which reveals its part in the randomness.
    pub(crate) key: Key,
    pub(crate) genesis: Block,
    /// The state of block 0.
    pub(crate) genesis_writes: Writes,
    pub(crate) speculation: Speculation,
    pub(crate) height: watch::Sender<u64>,
    /// The same for the change of terms, which alone listens: tokio wakes several receivers of one channel in random order,
    /// and a simulation must not depend on it.
    pub(crate) ordered: watch::Sender<u64>,
}

/// The application that the engine drives.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) chain: Arc<Chain>,
    pub(crate) marshal: Marshal,
    /// Testing the others: a leader that lies about the state root of its own blocks.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a simulation's liar looks at it"))]
    pub(crate) conduct: Conduct,
    /// Blocks and certificates that marshal's archives keep; `None` for all.
    pub(crate) blocks_kept: Option<u64>,
}

/// How a validator behaves. Only simulations ask for anything but `Honest`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// By the rules.
    #[default]
    Honest,
    /// As leader, commits to a state in which it owns one base unit more than its block gives it.
    #[cfg(test)]
    MintsForItself,
    /// As leader, reveals nothing.
    #[cfg(test)]
    HidesItsReveal,
    /// As leader, reveals what its key has for the next turn.
    #[cfg(test)]
    RevealsAnotherTurn,
    /// As leader, reveals what another key has for its turn.
    #[cfg(test)]
    RevealsAnothersPart,
    /// As leader, commits to a mix of its own choice.
    #[cfg(test)]
    ChoosesItsMix,
}

#[cfg(test)]
impl Conduct {
    /// The environment that a leader proposes in.
    fn env(self, env: cairn_ledger::Env) -> cairn_ledger::Env {
        if self == Self::ChoosesItsMix {
            return cairn_ledger::Env { prevrandao: B256::repeat_byte(7), ..env };
        }
        env
    }

    /// What a leader reveals instead of `honest`.
    fn reveal(self, chain: &Chain, round: Round, honest: crate::Reveal) -> crate::Reveal {
        match self {
            Self::HidesItsReveal => crate::Reveal::NONE,
            Self::RevealsAnotherTurn => {
                let next = Round::new(round.epoch(), round.view().next());
                chain.key.reveal(next).expect("a key in this process")
            }
            Self::RevealsAnothersPart => {
                let other = <ed25519::PrivateKey as commonware_cryptography::Signer>::from_seed(99);
                chain.beacon.reveal(&other, round)
            }
            _ => honest,
        }
    }
}

impl Chain {
    fn operator(&self, context: &BlockContext) -> Option<Address> {
        self.terms.operator(context.round.epoch().get(), &context.leader)
    }

    /// Most network ms that a block may be later than its parent.
    fn step(&self) -> u64 {
        BLOCK_STEP_MS.saturating_mul(self.time_scale)
    }

    /// The time of a block proposed now: the network's, but neither before the parent's nor more than a step after it.
    fn block_time(&self, parent: TimeMs) -> TimeMs {
        TimeMs(self.time.now().0.clamp(parent.0, parent.0.saturating_add(self.step())))
    }

    /// The writes that enter the tree with a block: block 1 also brings the genesis state.
    fn tree_writes<'a>(&self, height: u64, writes: &'a Writes) -> Cow<'a, Writes> {
        if height != 1 {
            return Cow::Borrowed(writes);
        }
        let mut all = self.genesis_writes.clone();
        all.merge(writes.clone());
        Cow::Owned(all)
    }

    /// Executes `block` on the state after `parent`; `None` when it breaks a rule for ever.
    fn execute(&self, block: &Block, parent: &Preamble, parent_digest: Digest) -> Option<Layer> {
        let preamble = &block.preamble;
        let state = self
            .speculation
            .state_after(&self.disk, parent_digest, parent.height.get())
            .expect("the ledger's disk can be read")?;
        let named = self.terms.named(&state, preamble.height.get());
        if preamble.next_validators != named.expect("the ledger's disk can be read") {
            tracing::warn!(
                height = preamble.height.get(),
                "block refused: it names other validators for the next term"
            );
            return None;
        }
        if !self.beacon.check(preamble) {
            tracing::warn!(
                height = preamble.height.get(),
                "block refused: its reveal is not its leader's for this round"
            );
            return None;
        }
        let proposer = self.operator(&preamble.context)?;
        let env = self.ledger.next_env(&parent.header, preamble.time(), proposer);
        let env = beacon::env_after(parent, &preamble.context, env)?;
        let transactions = self.recover(&block.transactions)?;
        let executed = match self.ledger.verify(&state, &env, transactions) {
            Ok(executed) => executed,
            Err(error @ BlockError::Transaction { .. }) => {
                tracing::warn!(%error, height = preamble.height.get(), "block refused");
                return None;
            }
            Err(BlockError::State(error)) => panic!("the ledger's disk can be read: {error}"),
        };
        let header = executed.header(&env, preamble.header.state_root);
        if header != preamble.header {
            tracing::warn!(
                height = preamble.height.get(),
                "block refused: its header differs from its execution"
            );
            return None;
        }
        Some(Layer {
            parent: parent_digest,
            hash: header.hash_slow(),
            header,
            transactions: executed.transactions,
            receipts: executed.receipts,
            gas_used: executed.gas_used,
            writes: executed.writes,
        })
    }

    /// The transactions of a block with their senders; `None` when one is malformed. One that waits in the pool has the same bytes,
    /// signature and all, so its sender is the same.
    fn recover(&self, raw: &[Bytes]) -> Option<Vec<Recovered<TxEnvelope>>> {
        let waits = |raw: &Bytes| {
            let tx = self.pool.waiting(&keccak256(raw))?;
            (tx.encoded_2718() == raw.as_ref()).then_some(tx)
        };
        raw.iter().map(|raw| waits(raw).or_else(|| recover_one(raw))).collect()
    }

    /// Commits a final block, once.
    fn commit(&self, digest: Digest, layer: &Layer, certificate: Vec<u8>) {
        self.disk
            .commit(FinalBlock {
                header: layer.header.clone(),
                digest: digest.0,
                transactions: layer.transactions.clone(),
                receipts: layer.receipts.clone(),
                gas_used: layer.gas_used.clone(),
                writes: layer.writes.clone(),
                certificate,
            })
            .expect("the ledger's disk can be written");
        self.terms.learn(&*self.disk, layer.header.number).expect("the ledger's disk can be read");
        let hashes: Vec<B256> = layer.transactions.iter().map(|tx| *tx.tx_hash()).collect();
        self.pool.finalized(&hashes);
    }

    fn head(&self) -> Option<Header> {
        self.disk.head().expect("the ledger's disk can be read")
    }
}

/// Decodes transactions and recovers their senders; `None` when one is malformed.
pub(crate) fn recover(raw: &[Bytes]) -> Option<Vec<Recovered<TxEnvelope>>> {
    raw.iter().map(recover_one).collect()
}

fn recover_one(raw: &Bytes) -> Option<Recovered<TxEnvelope>> {
    let tx = decode_transaction(raw).ok()?;
    // Only one byte form of a transaction may be in a block.
    (tx.encoded_2718() == raw.as_ref()).then_some(tx)
}

impl App {
    /// The proof of finality of a block that marshal delivered; `None` when only a later block has a certificate.
    pub(crate) async fn proof(&self, block: &Block) -> Option<FinalityProof> {
        proof(&self.marshal, block).await
    }

    /// Brings a disk that is behind marshal's acknowledged block up to it, by executing the archive's blocks.
    ///
    /// # Panics
    /// When the archive lacks a block or a block does not execute as agreed: the disk is of another network or broken.
    pub(crate) async fn catch_up(&self) {
        let chain = &self.chain;
        let Some(processed) = self.marshal.get_processed().await else { return };
        let mut head = chain.head().map_or(0, |header| header.number);
        if head < processed.height().get() {
            tracing::warn!(
                head,
                archive = processed.height().get(),
                "the disk is behind: replaying the archive"
            );
        }
        while head < processed.height().get() {
            let parent = self.archived(head).await;
            let block = self.archived(head + 1).await;
            let digest = block.digest();
            let layer = chain
                .execute(&block, &parent.preamble, parent.digest())
                .expect("an archived block executes on its parent's state as the network agreed");
            let certificate =
                self.proof(&block).await.map_or_else(Vec::new, |proof| proof.to_bytes());
            chain.commit(digest, &layer, certificate);
            head += 1;
        }
    }

    /// The first block that the archives keep now that `height` is final; `None` when nothing is dropped with it. Those of the term before stay
    /// whatever the window, from the block that it began with: the engine begins with one of them after every start, and who has a seat in the
    /// next term becomes a peer in this one, with a state that may be of the term before.
    fn oldest(&self, height: u64) -> Option<u64> {
        let kept = self.blocks_kept.filter(|_| height.is_multiple_of(PRUNE_EVERY))?;
        let rules = self.chain.terms.rules();
        let root = rules.term_of(height).checked_sub(2).map(|before| rules.last_of(before))?;
        Some(height.saturating_sub(kept).min(root)).filter(|oldest| *oldest > 0)
    }

    async fn archived(&self, height: u64) -> Block {
        if height == 0 {
            return self.chain.genesis.clone();
        }
        let block = self.marshal.get_block(Height::new(height)).await;
        let block = block.expect("the archive keeps every final block from the disk's on");
        block.inner().clone()
    }

    /// Waits until this validator's clock allows the block.
    async fn until_due<E: Clock>(&self, context: &E, time: TimeMs) {
        let drift = CLOCK_DRIFT_MS.saturating_mul(self.chain.time_scale);
        while self.chain.time.now().0.saturating_add(drift) < time.0 {
            context.sleep(POLL).await;
        }
    }

    /// The block's net writes when the disk has it already; the disk has replaced it when it is past this height.
    fn applied(&self, block: &Block, digest: Digest) -> Applied {
        let Some(head) = self.chain.head() else { return Applied::No };
        if block.height().get() > head.number {
            return Applied::No;
        }
        match self.chain.disk.writes_of(digest.0).expect("the ledger's disk can be read") {
            Some((_, writes)) => Applied::Same(Box::new(writes)),
            None => Applied::Other,
        }
    }
}

/// Whether the disk already holds a block.
enum Applied {
    /// It is not that far.
    No,
    /// It does, with these writes.
    Same(Box<Writes>),
    /// It holds another block at that height.
    Other,
}

/// Where a processed block's effect comes from.
enum Outcome {
    /// The disk kept its net writes.
    Kept(Box<Writes>),
    /// It was executed now.
    Executed(Box<Layer>),
}

/// The proof of finality of `block`, from marshal's archive.
pub(crate) async fn proof(marshal: &Marshal, block: &Block) -> Option<FinalityProof> {
    let finalization = marshal.get_finalization(block.height()).await?;
    Some(FinalityProof {
        preamble: block.preamble.clone(),
        body: block.body_digest(),
        finalization,
    })
}

impl<E> Application<E> for App
where
    E: Clock + Spawner + StorageContext,
{
    type SigningScheme = Scheme;
    type Context = BlockContext;
    type Block = Block;
    type Databases = SharedTree<E>;
    type Captured = ();
    type Provider = Arc<dyn Pool>;
    type Input = ();

    fn sync_targets(block: &Block) -> <Self::Databases as DatabaseSet<E>>::SyncTargets {
        Target::new(block.preamble.log_root, block.preamble.log_range.clone())
    }

    async fn genesis(&mut self) -> Block {
        self.chain.genesis.clone()
    }

    async fn propose(
        &mut self,
        (_, context): (E, BlockContext),
        ancestry: impl Ancestry<Block>,
        batch: tree::Batch<E>,
        input: Input<(), Arc<dyn Pool>>,
    ) -> Option<Proposed<Self, E>> {
        let mut ancestry = Box::pin(ancestry);
        let parent = ancestry.next().await?;
        let chain = &self.chain;
        let preamble = &parent.inner().preamble;
        let height = parent.height().next();
        let state = chain
            .speculation
            .state_after(&chain.disk, parent.digest(), parent.height().get())
            .expect("the ledger's disk can be read")?;

        let proposer = chain.operator(&context)?;
        let next_validators =
            chain.terms.named(&state, height.get()).expect("the ledger's disk can be read");
        let env =
            chain.ledger.next_env(&preamble.header, chain.block_time(preamble.time()), proposer);
        let env = beacon::env_after(preamble, &context, env)?;
        #[cfg(test)]
        let env = self.conduct.env(env);
        let reveal = chain.key.reveal(context.round)?;
        #[cfg(test)]
        let reveal = self.conduct.reveal(chain, context.round, reveal);
        let candidates = input.provider.candidates(env.base_fee, BLOCK_TXS_MAX);
        let executed = chain
            .ledger
            .build(&state, &env, candidates)
            .expect("building skips bad transactions and fails only with the disk");

        #[cfg_attr(not(test), expect(unused_mut, reason = "only the liar below changes it"))]
        let mut tree_writes = chain.tree_writes(height.get(), &executed.writes);
        #[cfg(test)]
        if self.conduct == Conduct::MintsForItself {
            let account = tree_writes
                .to_mut()
                .accounts
                .entry(proposer)
                .or_insert(Some(cairn_ledger::Account::default()));
            account.get_or_insert_default().balance += alloy_primitives::U256::ONE;
        }
        let sealed = tree::seal(batch, &tree_writes).await.expect("the state tree can be read");
        let commitment = tree::commitment::<E>(&sealed);
        let header = executed.header(&env, B256::from(commitment.state_root.0));
        let transactions =
            executed.transactions.iter().map(|tx| tx.encoded_2718().into()).collect();
        let block = Block {
            preamble: Preamble {
                context,
                parent: parent.digest(),
                height,
                log_root: commitment.log_root,
                log_range: commitment.log_range,
                next_validators,
                reveal,
                header: header.clone(),
            },
            transactions,
        };
        chain.speculation.insert(
            block.digest(),
            Layer {
                parent: parent.digest(),
                hash: header.hash_slow(),
                header,
                transactions: executed.transactions,
                receipts: executed.receipts,
                gas_used: executed.gas_used,
                writes: executed.writes,
            },
        );
        Some(Proposed { block, merkleized: sealed })
    }

    async fn process(
        &mut self,
        (context, _): (E, BlockContext),
        ancestry: impl Ancestry<Block>,
        batch: tree::Batch<E>,
        finality: Finality,
    ) -> Option<Sealed<E>> {
        let chain = Arc::clone(&self.chain);
        let mut ancestry = Box::pin(ancestry);
        let block = ancestry.next().await?;
        let digest = block.digest();
        let outcome = match self.applied(block.inner(), digest) {
            Applied::Same(writes) => Outcome::Kept(writes),
            Applied::Other if finality == Finality::Finalized => {
                panic!(
                    "the disk holds another block at height {}: it is of another network",
                    block.height()
                )
            }
            Applied::Other => return None,
            Applied::No => {
                let parent = ancestry.next().await?;
                let (time, parent_time) =
                    (block.inner().preamble.time(), parent.inner().preamble.time());
                if time < parent_time || time.0 - parent_time.0 > chain.step() {
                    return None;
                }
                if finality == Finality::Candidate {
                    self.until_due(&context, time).await;
                }
                let layer =
                    chain.execute(block.inner(), &parent.inner().preamble, parent.digest())?;
                Outcome::Executed(Box::new(layer))
            }
        };
        let writes = match &outcome {
            Outcome::Kept(writes) => writes,
            Outcome::Executed(layer) => &layer.writes,
        };
        let writes = chain.tree_writes(block.height().get(), writes);
        let sealed = tree::seal(batch, &writes).await.expect("the state tree can be read");
        let commitment = tree::commitment::<E>(&sealed);
        let preamble = &block.inner().preamble;
        let agreed = preamble.header.state_root == B256::from(commitment.state_root.0)
            && preamble.log_root == commitment.log_root
            && preamble.log_range == commitment.log_range;
        if !agreed {
            tracing::warn!(
                height = block.height().get(),
                "block refused: its state root differs from its execution"
            );
            return None;
        }
        if let Outcome::Executed(layer) = outcome {
            chain.speculation.insert(digest, *layer);
        }
        Some(sealed)
    }

    async fn capture(
        &mut self,
        _context: (E, BlockContext),
        _block: &Block,
        _sealed: &Sealed<E>,
        _readers: <Self::Databases as DatabaseSet<E>>::Readers,
    ) {
    }

    async fn finalized(
        &mut self,
        _context: (E, BlockContext),
        block: &Block,
        (): (),
        _readers: <Self::Databases as DatabaseSet<E>>::Readers,
    ) {
        let chain = &self.chain;
        let height = block.height().get();
        if chain.head().is_none_or(|head| head.number < height) {
            let digest = block.digest();
            let layer = chain
                .speculation
                .get(&digest)
                .expect("a final block above the disk was executed here");
            let certificate =
                self.proof(block).await.map_or_else(Vec::new, |proof| proof.to_bytes());
            chain.commit(digest, &layer, certificate);
        }
        if let Some(oldest) = self.oldest(height) {
            self.marshal.prune(Height::new(oldest));
        }
        chain.speculation.committed(height);
        chain.height.send_replace(height);
        chain.ordered.send_replace(height);
    }
}
