//! The lease machine: the one that consumer and gateway both run, so that a dispute is a replay and not an argument.
//!
//! ```text
//!  consumer                      gateway
//!     │ ── Ask (a query) ─────────► │  Idle ─► Asked
//!     │ ◄──────── Answer k ──────── │  Asked ─► Owed       rows used per device, their price, totals so far
//!     │ ── Receipt k (signed) ────► │  Owed ─► Idle        cumulative: replaces receipt k − 1
//! ```
//! At most one answer is unpaid, so neither side can lose more than one query's price. Receipts are totals: losing one
//! costs nothing, replaying one gains nothing. The machine knows no socket, clock or key: signatures are checked by the
//! caller before a receipt comes in, with the EIP-712 layout of docs/spec/market.md.

use std::collections::BTreeMap;

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::SolValue as _;
use cairn_primitives::{DeviceId, MicroUsd, abi::IMarket};
use serde::{Deserialize, Serialize};

/// Most devices that one lease's receipts can name.
pub const SHARES_MAX: usize = 4_096;
/// Units in the price's denominator: prices are per thousand units.
pub const KILO: u128 = 1_000;

/// What both sides know when a lease begins: all of it is on the ledger, except the consumer's own cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The lease's number.
    pub lease: u64,
    /// Price of a thousand units; a unit is one row that a query used.
    pub price_per_kilo_unit: MicroUsd,
    /// What is escrowed.
    pub escrow: MicroUsd,
    /// The most that the consumer will spend, at most the escrow.
    pub cap: MicroUsd,
}

/// What a query used: rows by device.
pub type Used = BTreeMap<DeviceId, u64>;

/// One answer, ready to be paid. Totals count from the beginning of the lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Number of this answer, from 1.
    pub number: u64,
    /// Units of this answer.
    pub units: u64,
    /// Price of this answer.
    pub price: MicroUsd,
    /// The receipt that pays it.
    pub receipt: Receipt,
}

/// A cumulative receipt, before its signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The lease.
    pub lease: u64,
    /// Units since the lease began.
    pub units: u64,
    /// Amount since the lease began: the sum of the shares.
    pub amount: MicroUsd,
    /// What each device is owed since the lease began, sorted by device; none is zero.
    pub shares: Vec<Share>,
}

/// A device's part of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The device.
    pub device: DeviceId,
    /// Since the lease began.
    pub amount: MicroUsd,
}

/// What happens to a lease. A transcript is a list of these; replaying it gives the same machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The consumer asks.
    Ask,
    /// The gateway has answered with these rows.
    Answer(Used),
    /// The answer failed or was not delivered: nothing is owed.
    Cancel,
    /// A receipt with a good signature of the consumer.
    Receipt(Receipt),
    /// More escrow; the cap rises by as much.
    TopUp(MicroUsd),
    /// Either side ends the lease.
    Close,
}

/// Where a lease is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Waiting for a query.
    Idle,
    /// A query is being answered.
    Asked,
    /// An answer is delivered and not yet paid.
    Owed(Answer),
    /// Over.
    Closed,
}

/// Why an event is refused; the machine is then unchanged. Numbers are wire format, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[repr(u16)]
pub enum LeaseRefusal {
    /// The lease is over.
    #[error("the lease is closed")]
    Closed = 200,
    /// The last answer is not paid.
    #[error("an answer is unpaid: sign its receipt first")]
    Unpaid = 201,
    /// No query is being answered.
    #[error("no query is open")]
    NothingAsked = 202,
    /// A query is already being answered.
    #[error("a query is already open")]
    AlreadyAsked = 203,
    /// The price would pass the consumer's cap.
    #[error("the answer would cost more than the spend cap allows")]
    CapExceeded = 204,
    /// The price would pass the escrow.
    #[error("the answer would cost more than the escrow holds")]
    EscrowExceeded = 205,
    /// The receipt is of another lease.
    #[error("the receipt is of another lease")]
    WrongLease = 206,
    /// The receipt's totals are those of an earlier one: replayed or lowered.
    #[error("the receipt is not above the last one")]
    NotHigher = 207,
    /// The receipt is not the one that the answer asked for.
    #[error("the receipt is not the one that the answer asked for")]
    WrongReceipt = 208,
    /// Nothing is owed.
    #[error("nothing is owed")]
    NothingOwed = 209,
    /// More devices than a receipt can name.
    #[error("more devices than a receipt can name")]
    TooManyShares = 210,
    /// A total left 64 bits.
    #[error("a total is out of range")]
    Overflow = 211,
}

impl LeaseRefusal {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Closed => 200,
            Self::Unpaid => 201,
            Self::NothingAsked => 202,
            Self::AlreadyAsked => 203,
            Self::CapExceeded => 204,
            Self::EscrowExceeded => 205,
            Self::WrongLease => 206,
            Self::NotHigher => 207,
            Self::WrongReceipt => 208,
            Self::NothingOwed => 209,
            Self::TooManyShares => 210,
            Self::Overflow => 211,
        }
    }
    /// The name in JSON, `CamelCase`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "Closed",
            Self::Unpaid => "Unpaid",
            Self::NothingAsked => "NothingAsked",
            Self::AlreadyAsked => "AlreadyAsked",
            Self::CapExceeded => "CapExceeded",
            Self::EscrowExceeded => "EscrowExceeded",
            Self::WrongLease => "WrongLease",
            Self::NotHigher => "NotHigher",
            Self::WrongReceipt => "WrongReceipt",
            Self::NothingOwed => "NothingOwed",
            Self::TooManyShares => "TooManyShares",
            Self::Overflow => "Overflow",
        }
    }
}

impl Receipt {
    /// The shares as the market contract takes them.
    #[must_use]
    pub fn abi_shares(&self) -> Vec<IMarket::Share> {
        let share = |s: &Share| IMarket::Share { device: s.device.0.into(), amount: s.amount.0 };
        self.shares.iter().map(share).collect()
    }

    /// The receipt as the market contract takes it and the consumer signs it (EIP-712).
    #[must_use]
    pub fn abi(&self) -> IMarket::Receipt {
        let shares: B256 = keccak256(self.abi_shares().abi_encode());
        IMarket::Receipt { lease: self.lease, units: self.units, amount: self.amount.0, shares }
    }
}

/// A lease, as each side runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    terms: Terms,
    state: State,
    answers: u64,
    paid: Receipt,
}

impl Lease {
    /// A lease on which nothing was used yet.
    #[must_use]
    pub const fn new(terms: Terms) -> Self {
        let paid =
            Receipt { lease: terms.lease, units: 0, amount: MicroUsd::ZERO, shares: Vec::new() };
        Self { terms, state: State::Idle, answers: 0, paid }
    }

    /// A lease that goes on from its highest receipt, as stored or as settled on the ledger.
    #[must_use]
    pub const fn resume(terms: Terms, paid: Receipt, answers: u64) -> Self {
        Self { terms, state: State::Idle, answers, paid }
    }

    /// The machine after a whole transcript.
    ///
    /// # Errors
    /// The index of the first event that is refused, and why.
    pub fn replay(terms: Terms, events: &[Event]) -> Result<Self, (usize, LeaseRefusal)> {
        let mut lease = Self::new(terms);
        for (i, event) in events.iter().enumerate() {
            lease.apply(event.clone()).map_err(|refusal| (i, refusal))?;
        }
        Ok(lease)
    }

    /// Applies one event.
    ///
    /// # Errors
    /// Why it is refused; the lease is then unchanged.
    pub fn apply(&mut self, event: Event) -> Result<(), LeaseRefusal> {
        if self.state == State::Closed {
            return Err(LeaseRefusal::Closed);
        }
        match event {
            Event::Ask => self.ask(),
            Event::Answer(used) => self.answer(&used).map(|_| ()),
            Event::Cancel => self.cancel(),
            Event::Receipt(receipt) => self.pay(receipt),
            Event::TopUp(more) => self.top_up(more),
            Event::Close => {
                self.state = State::Closed;
                Ok(())
            }
        }
    }

    fn ask(&mut self) -> Result<(), LeaseRefusal> {
        match self.state {
            State::Idle => {
                self.state = State::Asked;
                Ok(())
            }
            State::Asked => Err(LeaseRefusal::AlreadyAsked),
            State::Owed(_) => Err(LeaseRefusal::Unpaid),
            State::Closed => Err(LeaseRefusal::Closed),
        }
    }

    /// Prices an answer and makes the receipt that pays it. An answer that costs nothing needs no receipt and leaves
    /// the totals as they are.
    ///
    /// # Errors
    /// When no query is open, or the price passes the cap or the escrow.
    pub fn answer(&mut self, used: &Used) -> Result<Answer, LeaseRefusal> {
        match self.state {
            State::Asked => {}
            State::Closed => return Err(LeaseRefusal::Closed),
            State::Idle | State::Owed(_) => return Err(LeaseRefusal::NothingAsked),
        }
        let answer = self.quote(used)?;
        self.answers = answer.number;
        self.state =
            if answer.price == MicroUsd::ZERO { State::Idle } else { State::Owed(answer.clone()) };
        Ok(answer)
    }

    /// What an answer would cost now, without giving it.
    ///
    /// # Errors
    /// When the price passes the cap or the escrow, or a limit.
    pub fn quote(&self, used: &Used) -> Result<Answer, LeaseRefusal> {
        let units = used
            .values()
            .try_fold(0_u64, |sum, rows| sum.checked_add(*rows))
            .ok_or(LeaseRefusal::Overflow)?;
        let price =
            price_of(units, self.terms.price_per_kilo_unit).ok_or(LeaseRefusal::Overflow)?;
        let amount = self.paid.amount.add(price).map_err(|_| LeaseRefusal::Overflow)?;
        if amount > self.terms.cap {
            return Err(LeaseRefusal::CapExceeded);
        }
        if amount > self.terms.escrow {
            return Err(LeaseRefusal::EscrowExceeded);
        }
        let number = self.answers.checked_add(1).ok_or(LeaseRefusal::Overflow)?;
        if price == MicroUsd::ZERO {
            return Ok(Answer { number, units, price, receipt: self.paid.clone() });
        }
        let mut totals: BTreeMap<DeviceId, u64> =
            self.paid.shares.iter().map(|s| (s.device, s.amount.0)).collect();
        for (device, part) in split(price, used) {
            let total = totals.entry(device).or_default();
            *total = total.checked_add(part.0).ok_or(LeaseRefusal::Overflow)?;
        }
        totals.retain(|_, total| *total > 0);
        if totals.len() > SHARES_MAX {
            return Err(LeaseRefusal::TooManyShares);
        }
        let shares = totals
            .into_iter()
            .map(|(device, total)| Share { device, amount: MicroUsd(total) })
            .collect();
        let total = self.paid.units.checked_add(units).ok_or(LeaseRefusal::Overflow)?;
        let receipt = Receipt { lease: self.terms.lease, units: total, amount, shares };
        Ok(Answer { number, units, price, receipt })
    }

    fn cancel(&mut self) -> Result<(), LeaseRefusal> {
        match self.state {
            State::Asked => {
                self.state = State::Idle;
                Ok(())
            }
            State::Owed(_) => Err(LeaseRefusal::Unpaid),
            State::Idle => Err(LeaseRefusal::NothingAsked),
            State::Closed => Err(LeaseRefusal::Closed),
        }
    }

    fn pay(&mut self, receipt: Receipt) -> Result<(), LeaseRefusal> {
        if receipt.lease != self.terms.lease {
            return Err(LeaseRefusal::WrongLease);
        }
        let State::Owed(answer) = &self.state else {
            let old = receipt.amount <= self.paid.amount;
            return Err(if old { LeaseRefusal::NotHigher } else { LeaseRefusal::NothingOwed });
        };
        if receipt.amount <= self.paid.amount {
            return Err(LeaseRefusal::NotHigher);
        }
        if receipt != answer.receipt {
            return Err(LeaseRefusal::WrongReceipt);
        }
        self.paid = receipt;
        self.state = State::Idle;
        Ok(())
    }

    fn top_up(&mut self, more: MicroUsd) -> Result<(), LeaseRefusal> {
        let raise = |amount: MicroUsd| amount.add(more).map_err(|_| LeaseRefusal::Overflow);
        let (escrow, cap) = (raise(self.terms.escrow)?, raise(self.terms.cap)?);
        (self.terms.escrow, self.terms.cap) = (escrow, cap);
        Ok(())
    }

    /// What both sides agreed on.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }
    /// Where the lease is.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }
    /// The highest receipt: what the gateway can settle with.
    #[must_use]
    pub const fn paid(&self) -> &Receipt {
        &self.paid
    }
    /// What can still be spent.
    #[must_use]
    pub fn left(&self) -> MicroUsd {
        let most = self.terms.cap.min(self.terms.escrow);
        MicroUsd(most.0.saturating_sub(self.paid.amount.0))
    }
}

/// The price of `units`, rounded up to a whole micro-dollar; `None` above 64 bits.
#[must_use]
pub fn price_of(units: u64, per_kilo_unit: MicroUsd) -> Option<MicroUsd> {
    let price = (u128::from(units) * u128::from(per_kilo_unit.0)).div_ceil(KILO);
    u64::try_from(price).ok().map(MicroUsd)
}

/// Splits `price` over the devices in proportion to their rows, by largest remainder (ties: the lower id).
///
/// Guarantees (property tests): the parts sum to `price` when any row was used; more rows never get less. Sorted by
/// device. Cost: O(n log n).
#[must_use]
pub fn split(price: MicroUsd, used: &Used) -> Vec<(DeviceId, MicroUsd)> {
    let total: u128 = used.values().map(|rows| u128::from(*rows)).sum();
    if total == 0 {
        return Vec::new();
    }
    let mut parts: Vec<(DeviceId, u64, u128)> = used
        .iter()
        .map(|(device, rows)| {
            let product = u128::from(price.0) * u128::from(*rows);
            // At most the price, since rows ≤ total.
            (*device, u64::try_from(product / total).unwrap_or(price.0), product % total)
        })
        .collect();
    let mut left = price.0 - parts.iter().map(|(_, part, _)| part).sum::<u64>();
    parts.sort_by_key(|(device, _, remainder)| (std::cmp::Reverse(*remainder), *device));
    for (_, part, _) in &mut parts {
        if left == 0 {
            break;
        }
        *part += 1;
        left -= 1;
    }
    parts.sort_unstable_by_key(|(device, ..)| *device);
    parts.into_iter().map(|(device, part, _)| (device, MicroUsd(part))).collect()
}

#[cfg(test)]
mod tests;
