//! Every refusal about leases and receipts, and what survives a crash.

use std::{future::Future, path::Path};

use cairn_client::{Wallet, api::QueryAnswer};
use cairn_primitives::Epoch;

use super::*;
use crate::{
    consumer::check_bill,
    order::sign_order,
    testkit::{
        CHAIN_ID, LEASE, Network, OFFER, RATE, consumer, four_epochs, offer, patient, stranger,
    },
};

const ALL: &str = "SELECT * FROM readings";
const SOME: &str = "SELECT * FROM readings WHERE epoch = 1";
/// 435 and 90 rows at 500 µUSD per 1,000.
const PRICE_ALL: u64 = 218;
const PRICE_SOME: u64 = 45;

async fn desk(network: &Arc<Network>, dir: &Path) -> Desk<Network> {
    let catalog = Arc::new(network.catalog(dir).await);
    let book = Arc::new(Book::open(&dir.join("receipts.redb")).unwrap());
    let offer = offer();
    let engine = Engine::new(patient());
    Desk::new(Arc::clone(network), catalog, engine, book, offer, CHAIN_ID)
}

fn request(sql: &str) -> QueryRequest {
    QueryRequest { lease: LEASE, sql: sql.to_owned(), max_spend: None }
}

async fn ask(desk: &Desk<Network>, owed: u64, sql: &str) -> Result<QueryAnswer, Refusal> {
    let order = sign_order(&consumer(), CHAIN_ID, LEASE, owed, sql).unwrap();
    desk.query(&request(sql), &order).await
}

fn sign(answer: &QueryAnswer, wallet: &Wallet) -> ReceiptSubmission {
    let signature = wallet.sign_receipt(CHAIN_ID, &answer.receipt.to_sol()).unwrap();
    ReceiptSubmission { receipt: answer.receipt, shares: answer.shares.clone(), signature }
}

async fn reason<T>(result: impl Future<Output = Result<T, Refusal>>) -> Option<Reason> {
    result.await.err().map(|refusal| refusal.reason)
}

#[tokio::test]
async fn a_lease_is_served_query_after_query_and_settled() {
    let dir = tempfile::tempdir().unwrap();
    let network = Arc::new(four_epochs(1_000));
    let desk = desk(&network, dir.path()).await;
    let mut signed = Receipt { lease: LEASE, ..Receipt::default() };
    for (sql, price) in [(ALL, PRICE_ALL), (SOME, PRICE_SOME), ("SELECT * FROM devices", 0)] {
        let quote = desk.quote(sql).await.unwrap();
        let answer = ask(&desk, signed.amount.0, sql).await.unwrap();
        assert_eq!((quote.amount, answer.query_amount), (MicroUsd(price), MicroUsd(price)));
        signed = check_bill(&answer, &signed, MicroUsd(RATE), None).unwrap();
        if price > 0 {
            let reply = desk.receipt(&sign(&answer, &consumer())).await.unwrap();
            assert_eq!(reply.signed, signed.amount);
            assert_eq!(desk.settle_once().await.unwrap(), 0);
        }
    }
    assert_eq!(signed.amount.0, PRICE_ALL + PRICE_SOME);
    assert_eq!(signed.shares.iter().map(|s| s.amount.0).sum::<u64>(), signed.amount.0);
    let settled: Vec<_> = network.state().settlements.iter().map(|r| r.amount.0).collect();
    assert_eq!(settled, [PRICE_ALL, PRICE_ALL + PRICE_SOME]);
}

#[tokio::test]
async fn queries_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let network = Arc::new(four_epochs(PRICE_ALL));
    let desk = desk(&network, dir.path()).await;
    let order = sign_order(&consumer(), CHAIN_ID, LEASE, 0, ALL).unwrap();
    let limited = |limit| QueryRequest { max_spend: Some(MicroUsd(limit)), ..request(ALL) };

    let unknown = QueryRequest { lease: 9, ..request(ALL) };
    assert_eq!(reason(desk.query(&unknown, &order)).await, Some(Reason::UnknownLease));
    assert_eq!(reason(desk.query(&request(ALL), "")).await, Some(Reason::NotConsumer));
    assert_eq!(reason(desk.query(&request(SOME), &order)).await, Some(Reason::NotConsumer));
    let strange = sign_order(&stranger(), CHAIN_ID, LEASE, 0, ALL).unwrap();
    assert_eq!(reason(desk.query(&request(ALL), &strange)).await, Some(Reason::NotConsumer));
    assert_eq!(
        reason(desk.query(&limited(PRICE_ALL - 1), &order)).await,
        Some(Reason::MaxSpendExceeded)
    );
    let change =
        |f: fn(&mut crate::ports::Lease)| f(network.state().leases.get_mut(&LEASE).unwrap());
    change(|lease| lease.escrow -= 1);
    assert_eq!(reason(ask(&desk, 0, ALL)).await, Some(Reason::EscrowExceeded));
    change(|lease| lease.escrow = 0);
    assert_eq!(reason(ask(&desk, 0, SOME)).await, Some(Reason::EscrowExceeded), "no funds");
    change(|lease| (lease.escrow, lease.expiry) = (PRICE_ALL, Epoch(3)));
    assert_eq!(reason(ask(&desk, 0, ALL)).await, Some(Reason::LeaseExpired));
    change(|lease| (lease.expiry, lease.is_open) = (Epoch(5), false));
    assert_eq!(reason(ask(&desk, 0, ALL)).await, Some(Reason::LeaseClosed));
    change(|lease| (lease.is_open, lease.offer) = (true, 2));
    assert_eq!(reason(ask(&desk, 0, ALL)).await, Some(Reason::OtherOffer));
    change(|lease| lease.offer = OFFER);
    network.state().is_down = true;
    assert_eq!(reason(ask(&desk, 0, ALL)).await, Some(Reason::LedgerUnavailable));
    network.state().is_down = false;
    assert_eq!(reason(ask(&desk, 0, "DROP TABLE readings")).await, Some(Reason::NotAQuery));

    // After all those refusals nothing is owed; the exact limit and the exact escrow are enough.
    let answer = desk.query(&limited(PRICE_ALL), &order).await.unwrap();
    assert_eq!(answer.amount.0, PRICE_ALL);
    assert_eq!(reason(ask(&desk, 0, SOME)).await, Some(Reason::UnpaidAnswer));
    // The same order again gives the same answer again, even when new epochs came.
    network.finish(&[], &[]);
    desk.catalog.catch_up(&*network, &*network).await.unwrap();
    assert_eq!(desk.query(&limited(PRICE_ALL), &order).await.unwrap(), answer);
}

#[tokio::test]
async fn receipts_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let network = Arc::new(four_epochs(1_000));
    let desk = desk(&network, dir.path()).await;
    let first = ask(&desk, 0, SOME).await.unwrap();
    let good = sign(&first, &consumer());

    let mut other = sign(&first, &consumer());
    other.receipt.lease = 2;
    assert_eq!(reason(desk.receipt(&other)).await, Some(Reason::NothingOwed));
    let mut lower = first.clone();
    lower.receipt.amount.0 -= 1;
    assert_eq!(
        reason(desk.receipt(&sign(&lower, &consumer()))).await,
        Some(Reason::ReceiptMismatch)
    );
    let mut units = first.clone();
    units.receipt.units += 1;
    assert_eq!(
        reason(desk.receipt(&sign(&units, &consumer()))).await,
        Some(Reason::ReceiptMismatch)
    );
    let mut shares = first.clone();
    shares.shares.swap(0, 1);
    assert_eq!(
        reason(desk.receipt(&sign(&shares, &consumer()))).await,
        Some(Reason::SharesMismatch)
    );
    let mut hash = first.clone();
    hash.receipt.shares.0[0] ^= 1;
    assert_eq!(reason(desk.receipt(&sign(&hash, &consumer()))).await, Some(Reason::SharesMismatch));
    assert_eq!(
        reason(desk.receipt(&sign(&first, &stranger()))).await,
        Some(Reason::BadReceiptSignature)
    );
    let mut torn = good.clone();
    torn.signature[10] ^= 1;
    assert_eq!(reason(desk.receipt(&torn)).await, Some(Reason::BadReceiptSignature));

    desk.receipt(&good).await.unwrap();
    assert_eq!(reason(desk.receipt(&good)).await, Some(Reason::ReceiptNotHigher), "replayed");
    let second = ask(&desk, first.amount.0, ALL).await.unwrap();
    assert_eq!(reason(desk.receipt(&good)).await, Some(Reason::ReceiptNotHigher), "lowered");
    desk.receipt(&sign(&second, &consumer())).await.unwrap();
    assert_eq!(
        reason(ask(&desk, first.amount.0, ALL)).await,
        Some(Reason::NotConsumer),
        "a replayed order names what was owed then"
    );
}

#[tokio::test]
async fn a_restart_keeps_the_open_answer_and_the_highest_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let network = Arc::new(four_epochs(1_000));
    let first = {
        let desk = desk(&network, dir.path()).await;
        ask(&desk, 0, SOME).await.unwrap()
    };
    {
        // The answer was given before the crash, its receipt comes after it, and then the ledger is down.
        let desk = desk(&network, dir.path()).await;
        assert_eq!(reason(ask(&desk, 0, ALL)).await, Some(Reason::UnpaidAnswer));
        desk.receipt(&sign(&first, &consumer())).await.unwrap();
        network.state().is_down = true;
        assert_eq!(desk.settle_once().await.unwrap(), 1, "the lease is left for later");
        network.state().is_down = false;
    }
    let desk = desk(&network, dir.path()).await;
    assert_eq!(desk.book.get(LEASE).unwrap().unwrap().paid.amount.0, PRICE_SOME);
    assert_eq!(desk.settle_once().await.unwrap(), 0);
    assert_eq!(network.state().settlements.len(), 1);
    assert_eq!(desk.settle_once().await.unwrap(), 0, "settled once");
    assert_eq!(network.state().settlements.len(), 1);
}

#[tokio::test]
async fn settlement_refused_by_the_ledger_is_noted_and_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let network = Arc::new(four_epochs(1_000));
    let desk = desk(&network, dir.path()).await;
    let answer = ask(&desk, 0, SOME).await.unwrap();
    desk.receipt(&sign(&answer, &consumer())).await.unwrap();
    network.state().leases.get_mut(&LEASE).unwrap().is_open = false;
    assert_eq!(desk.settle_once().await.unwrap(), 0);
    let account = desk.book.get(LEASE).unwrap().unwrap();
    assert!(account.refused.is_some() && account.unsettled().is_none());
    // Somebody else settled the same receipt: that is as good.
    desk.book.settled(LEASE, MicroUsd(0), None).unwrap();
    network.state().leases.get_mut(&LEASE).unwrap().settled = PRICE_SOME;
    assert_eq!(desk.settle_once().await.unwrap(), 0);
    let account = desk.book.get(LEASE).unwrap().unwrap();
    assert_eq!((account.settled, account.refused), (MicroUsd(PRICE_SOME), None));
}

#[tokio::test]
async fn a_consumer_signs_only_a_bill_that_adds_up() {
    let dir = tempfile::tempdir().unwrap();
    let network = Arc::new(four_epochs(1_000));
    let desk = desk(&network, dir.path()).await;
    let answer = ask(&desk, 0, SOME).await.unwrap();
    let signed = Receipt { lease: LEASE, ..Receipt::default() };
    assert!(check_bill(&answer, &signed, MicroUsd(RATE), Some(MicroUsd(PRICE_SOME))).is_ok());
    type Change = fn(&mut QueryAnswer);
    let changes: [(Change, &str); 7] = [
        (|a| a.origins[0].rows -= 1, "query_units"),
        (|a| a.query_units += 1, "query_units"),
        (|a| a.query_amount.0 += 1, "query_amount"),
        (|a| a.units += 1, "units"),
        (|a| a.amount.0 += 1, "amount"),
        (|a| a.shares[0].amount.0 += 1, "shares"),
        (|a| a.receipt.amount.0 += 1, "receipt"),
    ];
    for (change, field) in changes {
        let mut bad = answer.clone();
        change(&mut bad);
        let error = check_bill(&bad, &signed, MicroUsd(RATE), None).unwrap_err().to_string();
        assert!(error.contains(&format!("gateway's {field} is")), "{error}");
    }
    let dear = check_bill(&answer, &signed, MicroUsd(RATE), Some(MicroUsd(PRICE_SOME - 1)));
    assert!(dear.unwrap_err().to_string().contains("at most"));
}
