//! Sends transactions of one account: nonces in order, gas estimated, the outcome awaited, failures explained.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, TxHash};
use alloy_sol_types::SolEvent;
use cairn_primitives::abi::POOL;
use tokio::sync::Mutex;

use crate::{
    Backoff, BlockTag, Call, ClientError, Fees, LedgerClient, Reads as _, Revert,
    SignedTransaction, TransactionReceipt, Wallet,
};

/// Gas limit of a system transaction (attest, vote, commit): the vote that makes an epoch final does the most work.
pub const SYSTEM_GAS: u64 = 5_000_000;
/// Ten slots that somebody had written in the estimate's epoch, and nobody in the block's: the first settlement of an epoch pays for them.
const FIRST_GAS: u64 = 10 * 22_100;
/// All snapshots of the pool's two windows, 25 each, at places that were never written (docs/spec/price.md).
const SNAPSHOTS_GAS: u64 = 2 * 25 * 22_100;
/// Tip offered for ordinary transactions, base units of STONE per gas.
const TIP: u128 = 1;
/// How long a transaction may wait for its block where blocks come, ...
const INCLUSION_DEADLINE: Duration = Duration::from_secs(60);
/// ... how many must have come without it by then: a node that makes few still has it, ...
const INCLUSION_BLOCKS: u64 = 60;
/// ... and how long it may wait where hardly any come.
const STANDSTILL_MAX: Duration = Duration::from_secs(600);
/// How long a receipt is waited for before the transaction and the account's nonce are looked at, too.
const RECEIPT_PATIENCE: Duration = Duration::from_secs(1);
/// Looks in a row at which the node did not have the transaction, before it counts as dropped: behind one address may be several
/// nodes, of which not each has it at once.
const MISSING_MAX: u32 = 4;
/// Pauses between looking for a receipt.
const POLL: (Duration, Duration) = (Duration::from_millis(60), Duration::from_millis(500));
/// Attempts to hand over one transaction.
const SEND_ATTEMPTS: u32 = 4;

/// A transaction that a node has taken.
#[derive(Clone, Copy, Debug)]
struct Submitted {
    hash: TxHash,
    nonce: u64,
}

/// A transaction that is in a block and succeeded.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its hash.
    pub hash: TxHash,
    /// Height of its block.
    pub block: u64,
    /// Its receipt.
    pub receipt: TransactionReceipt,
}

impl Sent {
    /// The first event `E` in the transaction's logs.
    ///
    /// # Errors
    /// When there is none.
    pub fn event<E: SolEvent>(&self) -> Result<E, ClientError> {
        let logs = self.receipt.inner.logs().iter();
        let mut events = logs.filter_map(|log| {
            E::decode_raw_log(log.inner.data.topics().iter().copied(), &log.inner.data.data).ok()
        });
        events.next().ok_or(ClientError::NoEvent { hash: self.hash, event: E::SIGNATURE })
    }
}

/// An account that sends transactions to a node; clones share the nonce.
#[derive(Clone, Debug)]
pub struct Sender {
    client: LedgerClient,
    wallet: Arc<Wallet>,
    /// The next nonce, if known. Held while a transaction is handed over: the node takes an account's transactions in the
    /// order of their nonces, so this lock *is* the queue of the account and the one lock that is kept across an await.
    next_nonce: Arc<Mutex<Option<u64>>>,
}

impl Sender {
    /// An account at a node. Two senders of one account do not know of each other's nonces: share one.
    #[must_use]
    pub fn new(client: LedgerClient, wallet: Wallet) -> Self {
        Self { client, wallet: Arc::new(wallet), next_nonce: Arc::default() }
    }

    /// The account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.wallet.address()
    }
    /// The node.
    #[must_use]
    pub const fn client(&self) -> &LedgerClient {
        &self.client
    }
    /// The key.
    #[must_use]
    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// Sends an ordinary transaction; gas is estimated, so that a call that would revert is not sent.
    ///
    /// # Errors
    /// The revert, or why the node does not take it.
    async fn send(&self, call: &Call) -> Result<Submitted, ClientError> {
        let estimate = self.client.estimate_gas(self.address(), call).await?;
        let head = self.client.latest().await?;
        // The base fee at most doubles in about six full blocks.
        let fees = Fees { max_fee: u128::from(head.base_fee) * 2 + TIP, tip: TIP };
        self.submit(call, estimate + spare(call, estimate), fees).await
    }

    /// Sends an attestation, vote or commitment: no fee, and refused by the node if it would revert.
    ///
    /// # Errors
    /// The revert, or why the node does not take it.
    async fn send_system(&self, call: &Call) -> Result<Submitted, ClientError> {
        self.client.simulate(self.address(), call, BlockTag::Latest).await?;
        self.submit(call, SYSTEM_GAS, Fees::default()).await
    }

    async fn submit(&self, call: &Call, gas: u64, fees: Fees) -> Result<Submitted, ClientError> {
        let chain_id = self.client.chain_id().await?;
        let mut next = self.next_nonce.lock().await;
        let mut pauses =
            Backoff::new(Duration::from_millis(100), Duration::from_secs(1), SEND_ATTEMPTS);
        loop {
            let nonce = match next.take() {
                Some(nonce) => nonce,
                None => self.client.nonce(self.address(), true).await?,
            };
            let signed = self.wallet.sign_transaction(chain_id, nonce, gas, fees, call)?;
            match self.hand_over(&signed, &mut pauses).await {
                Ok(()) => {
                    *next = Some(nonce + 1);
                    return Ok(Submitted { hash: signed.hash, nonce });
                }
                // Somebody else used the nonce, or a transaction of ours was dropped: ask the node for the next one.
                Err(error) if is_about_nonce(&error) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands over one signed transaction. An answer that is lost leaves open whether the node has it, so the *same* bytes
    /// are sent again: never a second transaction for one call.
    async fn hand_over(
        &self,
        signed: &SignedTransaction,
        pauses: &mut Backoff,
    ) -> Result<(), ClientError> {
        loop {
            let error = match self.client.send_raw(&signed.raw).await {
                Ok(_) => return Ok(()),
                Err(ClientError::Rpc { message, .. }) if message.contains("already known") => {
                    return Ok(());
                }
                Err(error) => error,
            };
            if is_about_nonce(&error) && self.client.receipt(signed.hash).await?.is_some() {
                return Ok(());
            }
            match pauses.next() {
                Some(pause) if error.is_retryable() => tokio::time::sleep(pause).await,
                _ => return Err(error),
            }
        }
    }

    /// Waits until the transaction is in a block and explains a failure. `None` when another one of the account took its nonce,
    /// sent by somebody else who has the key: it is in no block then, ever, and may be sent anew.
    async fn wait(&self, sent: Submitted, call: &Call) -> Result<Option<Sent>, ClientError> {
        let (hash, started) = (sent.hash, Instant::now());
        let (mut pauses, mut missing) = (Backoff::endless(POLL.0, POLL.1), 0);
        let mut first = None;
        let receipt = loop {
            if let Some(receipt) = self.client.receipt(hash).await? {
                break receipt;
            }
            if started.elapsed() > RECEIPT_PATIENCE {
                // The height is asked for once, and again when a minute is over.
                let first = match first {
                    Some(height) => height,
                    None => *first.insert(self.client.block_number().await?),
                };
                if started.elapsed() > INCLUSION_DEADLINE {
                    let blocks = self.client.block_number().await?.saturating_sub(first);
                    if is_overdue(started.elapsed(), blocks) {
                        *self.next_nonce.lock().await = None;
                        return Err(ClientError::NotIncluded { hash, waited: started.elapsed() });
                    }
                }
                let taken = self.client.nonce(self.address(), false).await? > sent.nonce;
                missing = if self.client.knows(hash).await? { 0 } else { missing + 1 };
                if taken || missing == MISSING_MAX {
                    // Its own block may have come between the questions.
                    if let Some(receipt) = self.client.receipt(hash).await? {
                        break receipt;
                    }
                    *self.next_nonce.lock().await = None;
                    return if taken { Ok(None) } else { Err(ClientError::Dropped { hash }) };
                }
            }
            tokio::time::sleep(pauses.next().unwrap_or(POLL.1)).await;
        };
        let block = receipt.block_number.unwrap_or_default();
        if receipt.inner.status() {
            return Ok(Some(Sent { hash, block, receipt }));
        }
        Err(self.explain(hash, call, &receipt).await)
    }

    /// Why a transaction in a block had no effect. A receipt does not say.
    async fn explain(
        &self,
        hash: TxHash,
        call: &Call,
        receipt: &TransactionReceipt,
    ) -> ClientError {
        // The same call on the state before the block nearly always has the same reason.
        let before = BlockTag::Number(receipt.block_number.unwrap_or_default().saturating_sub(1));
        let simulated = self.client.simulate(self.address(), call, before).await;
        if let Err(ClientError::Reverted(revert)) = simulated {
            return ClientError::Failed { hash, revert };
        }
        // It had another one then, or too little gas: a node that traces can tell.
        let traced = self.client.failure(hash).await.unwrap_or_default();
        if traced.error.contains("gas") {
            return ClientError::OutOfGas { hash, gas: receipt.gas_used };
        }
        ClientError::Failed { hash, revert: Box::new(Revert::decode(call.to, traced.output)) }
    }

    /// Sends a transaction and waits until it is in a block. Where another program uses the account at the same time and its
    /// transaction took the nonce, this one is sent anew.
    ///
    /// # Errors
    /// The revert, why the node does not take it, `Dropped` when the node let go of it, `NotIncluded` after a minute of blocks without
    /// it, `Failed` with the revert of the block.
    pub async fn send_and_wait(&self, call: &Call) -> Result<Sent, ClientError> {
        self.deliver(call, || self.send(call)).await
    }

    /// The same for a system transaction, which pays no fee.
    ///
    /// # Errors
    /// See `send_and_wait`.
    pub async fn send_system_and_wait(&self, call: &Call) -> Result<Sent, ClientError> {
        self.deliver(call, || self.send_system(call)).await
    }

    async fn deliver<F>(&self, call: &Call, send: impl Fn() -> F) -> Result<Sent, ClientError>
    where
        F: Future<Output = Result<Submitted, ClientError>>,
    {
        let mut attempts = 1;
        loop {
            let sent = send().await?;
            if let Some(done) = self.wait(sent, call).await? {
                return Ok(done);
            }
            if attempts == SEND_ATTEMPTS {
                let waited = RECEIPT_PATIENCE * SEND_ATTEMPTS;
                return Err(ClientError::NotIncluded { hash: sent.hash, waited });
            }
            attempts += 1;
        }
    }
}

/// Whether a transaction has waited too long, `blocks` blocks of it.
fn is_overdue(waited: Duration, blocks: u64) -> bool {
    waited > STANDSTILL_MAX || (waited > INCLUSION_DEADLINE && blocks >= INCLUSION_BLOCKS)
}

/// Gas beyond the estimate: the state moves before the block. What is not used is not paid.
fn spare(call: &Call, estimate: u64) -> u64 {
    let due = if call.to == Some(POOL) { SNAPSHOTS_GAS } else { 0 };
    due + (estimate / 4).max(FIRST_GAS)
}

/// Whether a node refused a transaction for its nonce.
fn is_about_nonce(error: &ClientError) -> bool {
    matches!(error, ClientError::Rpc { message, .. } if message.contains("nonce"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_network_gets_more_time_than_one_that_passes_a_transaction_over() {
        let just_over = INCLUSION_DEADLINE + Duration::from_millis(1);
        assert!(is_overdue(just_over, INCLUSION_BLOCKS));
        assert!(!is_overdue(INCLUSION_DEADLINE, 10 * INCLUSION_BLOCKS), "blocks may come fast");
        assert!(!is_overdue(just_over, INCLUSION_BLOCKS - 1));
        assert!(!is_overdue(STANDSTILL_MAX, 0));
        assert!(is_overdue(STANDSTILL_MAX + Duration::from_millis(1), 0));
    }
}
