//! A block as bytes, checked: its transactions and receipts are those that its header names.

use alloy_consensus::{
    Header, ReceiptEnvelope, TxEnvelope, proofs,
    transaction::{Recovered, SignerRecoverable as _},
};
use alloy_eips::Decodable2718 as _;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable as _;

/// A block that is whole.
#[derive(Clone, Debug)]
pub struct CheckedBlock {
    /// Keccak-256 of the header.
    pub hash: B256,
    /// The header.
    pub header: Header,
    /// Its transactions with their senders.
    pub transactions: Vec<Recovered<TxEnvelope>>,
    /// One receipt a transaction.
    pub receipts: Vec<ReceiptEnvelope>,
}

/// Bytes that are no block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes given for block {height} are not that block: {reason}")]
pub struct BlockError {
    /// The height asked for.
    pub height: u64,
    /// What is wrong.
    pub reason: String,
}

impl CheckedBlock {
    /// Reads a block (RLP) and its receipts (EIP-2718) and checks both against the header.
    ///
    /// # Errors
    /// When something does not decode, or is not what the header names.
    pub fn read(height: u64, block: &[u8], receipts: &[Bytes]) -> Result<Self, BlockError> {
        let fail = |reason: String| BlockError { height, reason };
        let block = alloy_consensus::Block::<TxEnvelope>::decode(&mut &*block)
            .map_err(|error| fail(error.to_string()))?;
        let header = block.header;
        if header.number != height {
            return Err(fail(format!("its header says {}", header.number)));
        }
        let transactions = block.body.transactions;
        let receipts = receipts.iter().map(|bytes| ReceiptEnvelope::decode_2718(&mut &bytes[..]));
        let receipts: Vec<ReceiptEnvelope> =
            receipts.collect::<Result<_, _>>().map_err(|error| fail(error.to_string()))?;
        if proofs::calculate_transaction_root(&transactions) != header.transactions_root {
            return Err(fail("its transactions have another root".to_owned()));
        }
        if proofs::calculate_receipt_root(&receipts) != header.receipts_root {
            return Err(fail("its receipts have another root".to_owned()));
        }
        let recovered = transactions.into_iter().map(TxEnvelope::try_into_recovered);
        let transactions = recovered
            .collect::<Result<_, _>>()
            .map_err(|_| fail("a transaction has no sender".to_owned()))?;
        Ok(Self { hash: header.hash_slow(), header, transactions, receipts })
    }
}
