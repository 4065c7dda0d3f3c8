//! The ledger as the parts of a validator's process see it: reads, and the desk that sends its transactions.

use std::{sync::Arc, time::Duration};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use cairn_client::{
    BlockTag, Call, ClientError, Fees, Head, LedgerRead, LogFilter, LogRecord, SYSTEM_GAS,
    SealedVote, Wallet,
};
use cairn_evidence::{Desk as EvidenceDesk, recompute::Outcome, sealed::Commitment};
use cairn_ledger::{Ledger, State as _};
use cairn_primitives::{
    Digest, Epoch, Sector, Stones,
    abi::{BATCHES, IBatches, REWARDS},
};
use cairn_sim::network::{answer, head_of};
use commonware_runtime::{Clock as _, deterministic};

use super::super::fixture::{CHAIN_ID, MemoryDisk, MemoryPool};
use crate::{gossip::Gossip, ports::Disk as _, ports::Pool as _};

/// How long a desk waits for its transaction to be in a block, virtual time.
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);

/// The final state on one disk.
#[derive(Clone)]
pub struct View {
    ledger: Ledger,
    disk: MemoryDisk,
}

impl View {
    pub const fn new(ledger: Ledger, disk: MemoryDisk) -> Self {
        Self { ledger, disk }
    }

    /// The last final block.
    pub fn header(&self) -> Header {
        let head = self.disk.head().expect("memory can be read");
        head.unwrap_or_else(|| self.ledger.genesis_header(B256::ZERO))
    }

    /// The next nonce of an account.
    pub fn nonce(&self, account: Address) -> u64 {
        self.disk.account(account).expect("memory can be read").unwrap_or_default().nonce
    }

    /// What the call would do if `from` sent it now.
    pub fn ask(&self, from: Option<Address>, call: &Call) -> Result<Bytes, ClientError> {
        answer(&self.ledger, &self.disk, &self.header(), from, call)
    }
}

impl LedgerRead for View {
    async fn eth_call(&self, to: Address, data: Bytes, _: BlockTag) -> Result<Bytes, ClientError> {
        self.ask(None, &Call { to: Some(to), value: U256::ZERO, data })
    }

    async fn head(&self, _: BlockTag) -> Result<Option<Head>, ClientError> {
        Ok(Some(head_of(&self.header())))
    }

    async fn balance(&self, account: Address, _: BlockTag) -> Result<Stones, ClientError> {
        Ok(Stones(self.disk.balance(account).saturating_to()))
    }

    async fn logs(&self, _: LogFilter) -> Result<Vec<LogRecord>, ClientError> {
        Err(ClientError::Store { reason: "a simulated disk keeps no logs".to_owned() })
    }
}

/// Sends a validator's system transactions into its own pool and to the others.
pub struct Desk {
    pub wallet: Wallet,
    pub view: View,
    pub pool: MemoryPool,
    pub gossip: Gossip,
    pub clock: Arc<deterministic::Context>,
    /// It votes for another result than the verifier computed.
    pub dissents: bool,
}

impl Desk {
    /// Sends it and waits until a block has it; what would be refused is not sent.
    async fn send(&self, call: Call) -> Result<(), ClientError> {
        let from = self.wallet.address();
        self.view.ask(Some(from), &call)?;
        let nonce = self.view.nonce(from);
        let fees = Fees::default();
        let signed = self.wallet.sign_transaction(CHAIN_ID, nonce, SYSTEM_GAS, fees, &call)?;
        let raw = bytes::Bytes::from(signed.raw);
        self.pool.gossiped(std::slice::from_ref(&raw));
        self.gossip.send(raw);
        let begin = self.clock.current();
        while self.view.nonce(from) == nonce {
            let waited = self.clock.current().duration_since(begin).unwrap_or_default();
            if waited > PATIENCE {
                return Err(ClientError::NotIncluded { hash: signed.hash, waited });
            }
            self.clock.sleep(POLL).await;
        }
        Ok(())
    }

    fn sealed(
        &self,
        epoch: Epoch,
        sector: Sector,
        round: u32,
        outcome: &Outcome,
    ) -> Result<SealedVote, ClientError> {
        let mut result = outcome.to_vote();
        if self.dissents {
            result.scoreRoot = Digest::of(&[b"another score"]).0.into();
        }
        Ok(self.wallet.seal_vote(CHAIN_ID, epoch, sector, round, result)?)
    }
}

impl EvidenceDesk for Desk {
    fn address(&self) -> Address {
        self.wallet.address()
    }

    async fn commit(&self, _: Epoch, _: Sector, _: &Commitment) -> Result<(), ClientError> {
        Err(ClientError::Store { reason: "a validator commits no batches".to_owned() })
    }

    async fn attest(&self, epoch: Epoch, sector: Sector, held: U256) -> Result<(), ClientError> {
        let call = IBatches::attestCall { epoch: epoch.0, sector: sector.number(), held };
        self.send(Call::new(BATCHES, &call)).await
    }

    async fn seal(
        &self,
        epoch: Epoch,
        sector: Sector,
        round: u32,
        outcome: &Outcome,
    ) -> Result<(), ClientError> {
        let vote = self.sealed(epoch, sector, round, outcome)?;
        self.send(Call::new(REWARDS, &vote.seal_call())).await
    }

    async fn vote(
        &self,
        epoch: Epoch,
        sector: Sector,
        round: u32,
        outcome: &Outcome,
    ) -> Result<(), ClientError> {
        let vote = self.sealed(epoch, sector, round, outcome)?;
        self.send(Call::new(REWARDS, &vote.vote_call())).await
    }
}
