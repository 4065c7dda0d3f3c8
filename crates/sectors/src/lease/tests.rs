//! A transcript per refusal, and what every transcript keeps: conserving, monotone, replayable.

use proptest::prelude::*;

use super::*;

const TERMS: Terms = Terms {
    lease: 7,
    price_per_kilo_unit: MicroUsd(1_500),
    escrow: MicroUsd(1_000),
    cap: MicroUsd(600),
};

fn device(n: u8) -> DeviceId {
    DeviceId([n; 16])
}

fn used(rows: &[(u8, u64)]) -> Used {
    rows.iter().map(|(n, rows)| (device(*n), *rows)).collect()
}

/// Applies `events` and expects the last to be refused so.
fn check(events: Vec<Event>, want: LeaseRefusal) {
    let last = events.len() - 1;
    assert_eq!(Lease::replay(TERMS, &events).map(|_| ()), Err((last, want)));
}

fn receipt_after(events: &[Event]) -> Receipt {
    match Lease::replay(TERMS, events).expect("a good transcript").state() {
        State::Owed(answer) => answer.receipt.clone(),
        other => panic!("nothing owed: {other:?}"),
    }
}

fn paid_once() -> Vec<Event> {
    let mut events = vec![Event::Ask, Event::Answer(used(&[(1, 100), (2, 33)]))];
    events.push(Event::Receipt(receipt_after(&events)));
    events
}

#[test]
fn an_answer_is_priced_split_and_paid() {
    let lease = Lease::replay(TERMS, &paid_once()).expect("a good transcript");
    // 133 units at 1.5 micro-dollars are 199.5, rounded up to 200.
    assert_eq!((lease.paid().units, lease.paid().amount), (133, MicroUsd(200)));
    let parts: Vec<u64> = lease.paid().shares.iter().map(|s| s.amount.0).collect();
    assert_eq!(parts, [150, 50]);
    assert_eq!((lease.state(), lease.left()), (&State::Idle, MicroUsd(400)));
}

#[test]
fn every_refusal_by_number() {
    let (ask, nothing) = (Event::Ask, Event::Answer(Used::new()));
    let mut closed = paid_once();
    closed.extend([Event::Close, ask.clone()]);
    check(closed, LeaseRefusal::Closed);
    check(vec![ask.clone(), Event::Answer(used(&[(1, 10)])), ask.clone()], LeaseRefusal::Unpaid);
    check(vec![ask.clone(), Event::Answer(used(&[(1, 10)])), Event::Cancel], LeaseRefusal::Unpaid);
    check(vec![nothing.clone()], LeaseRefusal::NothingAsked);
    check(vec![ask.clone(), ask.clone()], LeaseRefusal::AlreadyAsked);
    check(vec![ask.clone(), Event::Answer(used(&[(1, 401)]))], LeaseRefusal::CapExceeded);
    let huge = Event::Answer(used(&[(1, u64::MAX), (2, 1)]));
    check(vec![ask.clone(), huge], LeaseRefusal::Overflow);
    let owed = vec![ask.clone(), Event::Answer(used(&[(1, 10), (2, 5)]))];
    let good = receipt_after(&owed);
    let with = |receipt: Receipt| {
        owed.iter().cloned().chain([Event::Receipt(receipt)]).collect::<Vec<_>>()
    };
    check(with(Receipt { lease: 8, ..good.clone() }), LeaseRefusal::WrongLease);
    check(with(Receipt { amount: MicroUsd(0), ..good.clone() }), LeaseRefusal::NotHigher);
    check(
        with(Receipt { amount: MicroUsd(good.amount.0 + 1), ..good.clone() }),
        LeaseRefusal::WrongReceipt,
    );
    check(vec![Event::Receipt(good.clone())], LeaseRefusal::NothingOwed);
    let mut replayed = paid_once();
    replayed.push(replayed.last().cloned().expect("a receipt"));
    check(replayed, LeaseRefusal::NotHigher);
    let crowd: Used = (0..=SHARES_MAX)
        .map(|n| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&u64::try_from(n).expect("small").to_be_bytes());
            (DeviceId(id), 1_000)
        })
        .collect();
    let rich = Terms { escrow: MicroUsd(u64::MAX), cap: MicroUsd(u64::MAX), ..TERMS };
    let refused = Lease::replay(rich, &[ask.clone(), Event::Answer(crowd)]);
    assert_eq!(refused.map(|_| ()), Err((1, LeaseRefusal::TooManyShares)));
    let poor = Terms { escrow: MicroUsd(10), ..TERMS };
    let refused = Lease::replay(poor, &[ask, Event::Answer(used(&[(1, 10)]))]);
    assert_eq!(refused.map(|_| ()), Err((1, LeaseRefusal::EscrowExceeded)));
}

#[test]
fn an_answer_without_rows_costs_nothing_and_leaves_the_receipt_alone() {
    let mut events = paid_once();
    events.extend([Event::Ask, Event::Answer(Used::new())]);
    let lease = Lease::replay(TERMS, &events).expect("a good transcript");
    assert_eq!((lease.state(), lease.paid().units), (&State::Idle, 133));
}

#[test]
fn a_top_up_raises_escrow_and_cap() {
    let events = [Event::TopUp(MicroUsd(100)), Event::Ask, Event::Answer(used(&[(1, 466)]))];
    assert!(Lease::replay(TERMS, &events).is_ok());
}

#[test]
fn codes_and_names_are_those_of_the_enum() {
    for refusal in [LeaseRefusal::Closed, LeaseRefusal::Unpaid, LeaseRefusal::Overflow] {
        assert_eq!(format!("{refusal:?}"), refusal.name());
    }
}

proptest! {
    #[test]
    fn a_split_conserves_the_price_and_follows_the_rows(
        price in 0_u64..1_000_000_000,
        rows in proptest::collection::btree_map(any::<[u8; 16]>().prop_map(DeviceId), 0_u64..1_000_000, 1..40),
    ) {
        let parts = split(MicroUsd(price), &rows);
        let total: u64 = rows.values().sum();
        let paid: u64 = parts.iter().map(|(_, part)| part.0).sum();
        prop_assert_eq!(paid, if total == 0 { 0 } else { price });
        for (a, x) in &parts {
            for (b, y) in &parts {
                prop_assert!(rows[a] <= rows[b] || x >= y, "{} rows, {} of {}", rows[a], x, y);
            }
        }
    }

    #[test]
    fn any_transcript_stays_within_the_cap_and_replays(
        steps in proptest::collection::vec((0_u8..6, 0_u8..5, 0_u64..200), 0..60),
    ) {
        let mut lease = Lease::new(TERMS);
        let mut kept = Vec::new();
        for (kind, n, rows) in steps {
            let event = match kind {
                0 | 1 => Event::Ask,
                2 => Event::Answer(used(&[(n, rows), (n + 1, rows / 2)])),
                3 => Event::Cancel,
                4 => match lease.state() {
                    State::Owed(answer) => Event::Receipt(answer.receipt.clone()),
                    _ => Event::Receipt(lease.paid().clone()),
                },
                _ => Event::Receipt(Receipt { lease: 7, amount: MicroUsd(rows), ..Receipt::default() }),
            };
            let before = lease.clone();
            match lease.apply(event.clone()) {
                Ok(()) => kept.push(event),
                Err(_) => prop_assert_eq!(&lease, &before),
            }
            let sum: u64 = lease.paid().shares.iter().map(|s| s.amount.0).sum();
            prop_assert_eq!(sum, lease.paid().amount.0);
            prop_assert!(lease.paid().amount <= TERMS.cap && lease.paid().amount >= before.paid().amount);
            prop_assert!(lease.paid().shares.is_sorted_by_key(|s| s.device));
            for share in &before.paid().shares {
                let now = lease.paid().shares.iter().find(|s| s.device == share.device);
                prop_assert!(now.is_some_and(|now| now.amount >= share.amount));
            }
        }
        prop_assert_eq!(Lease::replay(TERMS, &kept).map_err(|_| ()), Ok(lease));
    }
}
