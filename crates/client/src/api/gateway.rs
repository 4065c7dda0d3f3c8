//! What consumers and a gateway say to each other.
//!
//! ```text
//! GET  /v1/offer      OfferInfo
//! POST /v1/query      QueryRequest → QueryAnswer: rows, where they come from, what is owed so far, split by device
//! POST /v1/receipts   ReceiptSubmission → ReceiptReply: the consumer signs the running total; needed before the next query
//! ```
//! Amounts and units are totals since the lease began: losing a receipt costs nothing, replaying one gains nothing.

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::SolValue as _;
use cairn_primitives::{DeviceId, Epoch, MicroUsd, abi::IMarket};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hex_bytes;

/// What a gateway offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferInfo {
    /// Number of the offer on the ledger.
    pub offer: u64,
    /// The gateway's account.
    pub provider: String,
    /// The sector.
    pub sector: String,
    /// Price of 1,000 units.
    pub micro_usd_per_kilo_unit: u64,
    /// What a unit is, for people.
    pub unit: String,
    /// Most that may be owed without a signed receipt.
    pub unsigned_micro_usd_max: MicroUsd,
    /// Tables and their columns, for people.
    pub tables: Vec<String>,
    /// EIP-155 chain id of the ledger.
    pub chain_id: u64,
}

/// A query under a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryRequest {
    /// The lease that pays.
    pub lease: u64,
    /// The query.
    pub sql: String,
    /// Refuse, at no cost, when this query would cost more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_spend: Option<MicroUsd>,
}

/// Rows of a device and epoch that an answer used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The device that measured.
    pub device: DeviceId,
    /// The epoch whose sealed file holds the rows.
    pub epoch: Epoch,
    /// How many.
    pub rows: u64,
}

/// A device's share of what the lease owes in total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ShareBody {
    /// The device.
    pub device: DeviceId,
    /// Its total since the lease began.
    pub amount: MicroUsd,
}

/// What the consumer signs (EIP-712 `Receipt` of `contracts/IMarket.sol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptBody {
    /// The lease.
    pub lease: u64,
    /// Units since the lease began.
    pub units: u64,
    /// Owed since the lease began.
    pub amount: MicroUsd,
    /// keccak256(abi.encode(Share[])).
    pub shares: B256,
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryAnswer {
    /// Column names.
    pub columns: Vec<String>,
    /// Rows of JSON values.
    pub rows: Vec<Vec<Value>>,
    /// Which rows of which device were used, sorted.
    pub origins: Vec<Origin>,
    /// Units of this query.
    pub query_units: u64,
    /// Price of this query.
    pub query_amount: MicroUsd,
    /// Units of the lease so far, with this query.
    pub units: u64,
    /// Owed under the lease so far, with this query.
    pub amount: MicroUsd,
    /// The split of `amount`, sorted by device.
    pub shares: Vec<ShareBody>,
    /// What to sign.
    pub receipt: ReceiptBody,
}

/// A signed receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptSubmission {
    /// What was signed.
    pub receipt: ReceiptBody,
    /// The shares behind its hash.
    pub shares: Vec<ShareBody>,
    /// The consumer's EIP-712 signature, r ‖ s ‖ v.
    #[serde(with = "hex_bytes")]
    pub signature: [u8; 65],
}

/// The answer to a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptReply {
    /// The lease.
    pub lease: u64,
    /// The highest amount signed so far.
    pub signed: MicroUsd,
    /// Hash of the settlement's transaction, when the gateway settled at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settlement: Option<B256>,
}

impl ReceiptBody {
    /// The receipt over these totals; `shares` sorted by device.
    #[must_use]
    pub fn new(lease: u64, units: u64, amount: MicroUsd, shares: &[ShareBody]) -> Self {
        Self { lease, units, amount, shares: ShareBody::hash(shares) }
    }

    /// The contract's form.
    #[must_use]
    pub const fn to_sol(&self) -> IMarket::Receipt {
        IMarket::Receipt {
            lease: self.lease,
            units: self.units,
            amount: self.amount.0,
            shares: self.shares,
        }
    }
}

impl ShareBody {
    /// The contract's form.
    #[must_use]
    pub fn to_sol(shares: &[Self]) -> Vec<IMarket::Share> {
        shares
            .iter()
            .map(|s| IMarket::Share { device: s.device.0.into(), amount: s.amount.0 })
            .collect()
    }

    /// keccak256(abi.encode(Share[])), as receipts carry it.
    #[must_use]
    pub fn hash(shares: &[Self]) -> B256 {
        keccak256(Self::to_sol(shares).abi_encode())
    }
}
