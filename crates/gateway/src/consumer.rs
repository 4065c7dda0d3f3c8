//! The paying side of the gateway: asks, checks the bill against the rows, and signs only what adds up.
//!
//! ```text
//! query ─► answer ─► check(origins × price = amount, shares = split, totals = last + this, ≤ max spend) ─► sign ─► receipt
//! ```
//! A consumer needs no trust in the gateway's arithmetic: the price and the split are functions of the origins, and the
//! running totals are known. What it trusts is the list of origins itself, at most one answer deep.

use std::time::Duration;

use cairn_client::{
    Wallet, WalletError,
    api::{ErrorBody, OfferInfo, QueryAnswer, QueryRequest, ReceiptReply, ReceiptSubmission},
    recover_receipt,
};
use cairn_primitives::MicroUsd;
use cairn_sectors::lease::{LeaseRefusal, Receipt};
use serde::de::DeserializeOwned;

use crate::{Quote, QuoteRequest, Reason, order::sign_order, params::QUERY_TIME_MAX, tariff};

/// What the consumer has signed on a lease so far: the highest receipt. It must be kept, it is the base of the next bill.
pub use cairn_sectors::lease::Receipt as Totals;

/// Why a bill is not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// The price is above what the consumer allows for this query.
    #[error("the query costs {amount} USD, at most {limit} USD is allowed")]
    TooExpensive {
        /// What it costs.
        amount: MicroUsd,
        /// What is allowed.
        limit: MicroUsd,
    },
    /// A number of the bill does not follow from the origins and the last receipt.
    #[error("the gateway's {what} is {found}, the rows give {expected}")]
    Wrong {
        /// Which number.
        what: &'static str,
        /// What follows.
        expected: String,
        /// What the gateway says.
        found: String,
    },
    /// The lease machine knows no such answer.
    #[error("the answer is none that the lease allows")]
    Lease(#[source] LeaseRefusal),
}

/// Why a query got no answer, or its answer was not paid.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The gateway does not answer.
    #[error("no answer from the gateway at {url}")]
    Transport {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The gateway refused.
    #[error("the gateway refused with {} ({}): {}", .0.name, .0.code, .0.message)]
    Refused(ErrorBody),
    /// The bill is wrong; nothing was signed.
    #[error("the bill is not signed")]
    Bill(#[from] BillError),
    /// The key refused, or the gateway showed a signature that is none.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The gateway showed a receipt that this wallet did not sign.
    #[error("the gateway's receipt of lease {lease} is not signed by this wallet")]
    NotOurs {
        /// The lease.
        lease: u64,
    },
}

/// Checks the bill of `answer` against the last receipt and gives the receipt to sign, which may be the last one again
/// when nothing is owed. Keep what is signed: it is the base of the next bill.
///
/// # Errors
/// Names the first number that does not follow.
pub fn check_bill(
    answer: &QueryAnswer,
    signed: &Receipt,
    price_per_kilo_unit: MicroUsd,
    max_spend: Option<MicroUsd>,
) -> Result<Receipt, BillError> {
    let used = tariff::used(&answer.origins);
    let terms = tariff::unlimited(signed.lease, price_per_kilo_unit);
    let machine = tariff::owing(terms, signed, &used).map_err(BillError::Lease)?;
    let receipt = tariff::expected(&machine).clone();
    same("query_units", receipt.units - signed.units, answer.query_units)?;
    let price = MicroUsd(receipt.amount.0 - signed.amount.0);
    same("query_amount", price.0, answer.query_amount.0)?;
    if let Some(limit) = max_spend.filter(|limit| price > *limit) {
        return Err(BillError::TooExpensive { amount: price, limit });
    }
    same("units", receipt.units, answer.units)?;
    same("amount", receipt.amount.0, answer.amount.0)?;
    let (body, shares) = tariff::bodies(&receipt);
    if shares != answer.shares {
        let (expected, found) = (format!("{shares:?}"), format!("{:?}", answer.shares));
        return Err(BillError::Wrong { what: "shares", expected, found });
    }
    if body != answer.receipt {
        let (expected, found) = (format!("{body:?}"), format!("{:?}", answer.receipt));
        return Err(BillError::Wrong { what: "receipt", expected, found });
    }
    Ok(receipt)
}

fn same(what: &'static str, expected: u64, found: u64) -> Result<(), BillError> {
    if expected == found {
        return Ok(());
    }
    Err(BillError::Wrong { what, expected: expected.to_string(), found: found.to_string() })
}

/// A consumer at one gateway.
#[derive(Clone, Debug)]
pub struct Consumer {
    http: reqwest::Client,
    base: String,
    wallet: Wallet,
}

impl Consumer {
    /// A consumer that pays with `wallet`'s leases at the gateway of this base URL.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(base: &str, wallet: Wallet) -> Result<Self, ConsumerError> {
        let base = base.trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(QUERY_TIME_MAX * 3)
            .build()
            .map_err(|source| ConsumerError::Transport { url: base.clone(), source })?;
        Ok(Self { http, base, wallet })
    }

    /// What the gateway sells.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn offer(&self) -> Result<OfferInfo, ConsumerError> {
        self.send(self.http.get(format!("{}/v1/offer", self.base))).await
    }

    /// What a query would cost.
    ///
    /// # Errors
    /// When the gateway refuses or does not answer.
    pub async fn quote(&self, sql: &str) -> Result<Quote, ConsumerError> {
        let request = QuoteRequest { sql: sql.to_owned() };
        self.send(self.http.post(format!("{}/v1/quote", self.base)).json(&request)).await
    }

    /// The totals of a lease, from the gateway: for who lost theirs. Believed only under the own signature, so a gateway can
    /// at most withhold the last receipt, and then what it holds is worth less.
    ///
    /// # Errors
    /// When the gateway does not answer, or shows a receipt that this wallet never signed.
    pub async fn recover(&self, chain_id: u64, lease: u64) -> Result<Totals, ConsumerError> {
        let request = self.http.get(format!("{}/v1/receipts/{lease}", self.base));
        let submission: ReceiptSubmission = match self.send(request).await {
            Err(ConsumerError::Refused(body))
                if body.code == u32::from(Reason::NothingOwed.code()) =>
            {
                return Ok(Totals { lease, ..Totals::default() });
            }
            other => other?,
        };
        let totals = tariff::receipt_of(&submission.receipt, &submission.shares);
        let signer = recover_receipt(chain_id, &totals.abi(), &submission.signature)?;
        if signer != self.wallet.address() || totals.lease != lease {
            return Err(ConsumerError::NotOurs { lease });
        }
        Ok(totals)
    }

    /// Asks, checks the bill and pays it with a receipt. `signed` moves on only when the receipt was accepted; keep it
    /// before the next query.
    ///
    /// # Errors
    /// When the gateway refuses, or the bill is wrong or above `max_spend`; then nothing is signed.
    pub async fn query(
        &self,
        offer: &OfferInfo,
        signed: &mut Receipt,
        sql: &str,
        max_spend: Option<MicroUsd>,
    ) -> Result<QueryAnswer, ConsumerError> {
        let order = sign_order(&self.wallet, offer.chain_id, signed.lease, signed.amount.0, sql)?;
        let request = QueryRequest { lease: signed.lease, sql: sql.to_owned(), max_spend };
        let request = self
            .http
            .post(format!("{}/v1/query", self.base))
            .header("authorization", order)
            .json(&request);
        let answer: QueryAnswer = self.send(request).await?;
        let price = MicroUsd(offer.micro_usd_per_kilo_unit);
        let receipt = check_bill(&answer, signed, price, max_spend)?;
        if receipt.amount > signed.amount {
            self.pay(offer.chain_id, &receipt).await?;
        }
        *signed = receipt;
        Ok(answer)
    }

    async fn pay(&self, chain_id: u64, receipt: &Receipt) -> Result<(), ConsumerError> {
        let signature = self.wallet.sign_receipt(chain_id, &receipt.abi())?;
        let (receipt, shares) = tariff::bodies(receipt);
        let submission = ReceiptSubmission { receipt, shares, signature };
        let request = self.http.post(format!("{}/v1/receipts", self.base)).json(&submission);
        match self.send::<ReceiptReply>(request).await {
            // The reply to the first try was lost: the gateway has this very receipt.
            Err(ConsumerError::Refused(body))
                if body.code == u32::from(Reason::ReceiptNotHigher.code()) =>
            {
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, ConsumerError> {
        let fails = |source| ConsumerError::Transport { url: self.base.clone(), source };
        let response = request.send().await.map_err(fails)?;
        if response.status().is_success() {
            response.json().await.map_err(fails)
        } else {
            Err(ConsumerError::Refused(response.json().await.map_err(fails)?))
        }
    }
}
