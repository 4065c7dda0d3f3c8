//! Between the words of the HTTP API and the lease machine of `sectors`, which consumer and gateway both run: price and
//! split are computed there, once.

use cairn_client::api::{Origin, ReceiptBody, ShareBody};
use cairn_primitives::MicroUsd;
use cairn_sectors::lease::{Lease, LeaseRefusal, Receipt, Share, State, Terms, Used};

use crate::refusal::{Reason, Refusal};

/// Terms without limits: for an answer whose limits were judged when it was given.
pub(crate) const fn unlimited(lease: u64, price_per_kilo_unit: MicroUsd) -> Terms {
    Terms { lease, price_per_kilo_unit, escrow: MicroUsd(u64::MAX), cap: MicroUsd(u64::MAX) }
}

/// Rows by device.
pub(crate) fn used(origins: &[Origin]) -> Used {
    let mut used = Used::new();
    for origin in origins {
        let rows = used.entry(origin.device).or_insert(0_u64);
        *rows = rows.saturating_add(origin.rows);
    }
    used
}

/// The machine in the state in which it waits for the receipt of an answer over `used`.
pub(crate) fn owing(terms: Terms, paid: &Receipt, used: &Used) -> Result<Lease, LeaseRefusal> {
    let mut machine = Lease::resume(terms, paid.clone(), 0);
    machine.apply(cairn_sectors::lease::Event::Ask)?;
    machine.answer(used)?;
    Ok(machine)
}

/// The receipt that the machine waits for; the last one when nothing is owed.
pub(crate) fn expected(machine: &Lease) -> &Receipt {
    match machine.state() {
        State::Owed(answer) => &answer.receipt,
        State::Idle | State::Asked | State::Closed => machine.paid(),
    }
}

/// A receipt as the API carries it, with its shares.
pub(crate) fn bodies(receipt: &Receipt) -> (ReceiptBody, Vec<ShareBody>) {
    let share = |s: &Share| ShareBody { device: s.device, amount: s.amount };
    let shares: Vec<ShareBody> = receipt.shares.iter().map(share).collect();
    (ReceiptBody::new(receipt.lease, receipt.units, receipt.amount, &shares), shares)
}

/// The machine's receipt of a submitted one.
pub(crate) fn receipt_of(body: &ReceiptBody, shares: &[ShareBody]) -> Receipt {
    let shares = shares.iter().map(|s| Share { device: s.device, amount: s.amount }).collect();
    Receipt { lease: body.lease, units: body.units, amount: body.amount, shares }
}

/// The machine's refusal in the gateway's numbers.
pub(crate) fn refuse(refusal: LeaseRefusal) -> Refusal {
    let reason = match refusal {
        LeaseRefusal::Closed => Reason::LeaseClosed,
        LeaseRefusal::Unpaid => Reason::UnpaidAnswer,
        LeaseRefusal::AlreadyAsked => Reason::Busy,
        LeaseRefusal::CapExceeded => Reason::MaxSpendExceeded,
        LeaseRefusal::EscrowExceeded | LeaseRefusal::TooManyShares | LeaseRefusal::Overflow => {
            Reason::EscrowExceeded
        }
        LeaseRefusal::NotHigher => Reason::ReceiptNotHigher,
        LeaseRefusal::WrongReceipt | LeaseRefusal::WrongLease => Reason::ReceiptMismatch,
        LeaseRefusal::NothingOwed | LeaseRefusal::NothingAsked => Reason::NothingOwed,
    };
    Refusal::new(reason, refusal.to_string())
}
