//! A consumer and a gateway over a real socket.

use std::sync::Arc;

use cairn_client::api::ErrorBody;
use cairn_kit::{
    Shutdown,
    http::{Limits, Listener, Readiness, operations},
    metrics::Metrics,
};
use cairn_sectors::lease::Receipt;

use super::*;
use crate::{
    Book, Engine,
    consumer::{Consumer, ConsumerError},
    testkit::{CHAIN_ID, LEASE, OFFER, RATE, consumer, four_epochs, offer, patient, stranger},
};

struct Served {
    base: String,
    shutdown: Shutdown,
    task: tokio::task::JoinHandle<()>,
    network: Arc<crate::testkit::Network>,
    _dir: tempfile::TempDir,
}

async fn serve() -> Served {
    let dir = tempfile::tempdir().unwrap();
    let network = Arc::new(four_epochs(1_000));
    let catalog = Arc::new(network.catalog(dir.path()).await);
    let book = Arc::new(Book::open(&dir.path().join("receipts.redb")).unwrap());
    let offer = offer();
    let engine = Engine::new(patient());
    let desk = Arc::new(Desk::new(Arc::clone(&network), catalog, engine, book, offer, CHAIN_ID));
    let (metrics, readiness) = (Metrics::new(), Readiness::default());
    readiness.set_ready();
    let routes = router(Arc::clone(&desk), GatewayMetrics::new(&metrics))
        .merge(operations(readiness, metrics));
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let base = format!("http://{}", listener.addr());
    let shutdown = Shutdown::new();
    let stop = shutdown.clone();
    let task = tokio::spawn(async move {
        let settler = stop.child();
        let served = listener.serve(routes, Limits::default(), None, stop.clone());
        let (served, settled) = tokio::join!(served, desk.settle_forever(&settler));
        served.unwrap();
        settled.unwrap();
    });
    Served { base, shutdown, task, network, _dir: dir }
}

#[tokio::test]
async fn a_consumer_pays_for_rows_and_the_ledger_sees_it() {
    let served = serve().await;
    let payer = Consumer::new(&served.base, consumer()).unwrap();
    let offer = payer.offer().await.unwrap();
    assert_eq!((offer.offer, offer.micro_usd_per_kilo_unit), (OFFER, RATE));
    assert!(offer.tables[0].starts_with("readings(device TEXT, epoch BIGINT, time TIMESTAMP"));

    let mut signed = Receipt { lease: LEASE, ..Receipt::default() };
    let sql = "SELECT device, avg(temperature_c) FROM readings WHERE epoch = 1 GROUP BY device";
    let quote = payer.quote(sql).await.unwrap();
    assert_eq!((quote.units, quote.amount, quote.devices, quote.rows), (90, MicroUsd(45), 3, 3));
    let low = Some(MicroUsd(44));
    let refused = payer.query(&offer, &mut signed, sql, low).await.unwrap_err();
    assert!(matches!(refused, ConsumerError::Refused(body) if body.name == "MaxSpendExceeded"));
    for paid in [45, 90] {
        let answer = payer.query(&offer, &mut signed, sql, Some(MicroUsd(45))).await.unwrap();
        assert_eq!((answer.rows.len(), answer.origins.len()), (3, 3));
        assert_eq!((signed.units, signed.amount), (paid * 2, MicroUsd(paid)));
    }
    // Who lost the totals gets them back, under the own signature.
    assert_eq!(payer.recover(CHAIN_ID, LEASE).await.unwrap(), signed);
    assert_eq!(payer.recover(CHAIN_ID, 7).await.unwrap().amount, MicroUsd::ZERO);
    // A stranger cannot spend from the lease.
    let thief = Consumer::new(&served.base, stranger()).unwrap();
    let refused = thief.query(&offer, &mut signed.clone(), sql, None).await.unwrap_err();
    assert!(matches!(refused, ConsumerError::Refused(body) if body.name == "NotConsumer"));

    let foreign = thief.recover(CHAIN_ID, LEASE).await.unwrap_err();
    assert!(matches!(foreign, ConsumerError::NotOurs { .. }));

    let page = reqwest::get(format!("{}/metrics", served.base)).await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("cairn_gateway_answers_total 2\n"), "{page}");
    assert!(page.contains("cairn_gateway_receipts_total 2\n"), "{page}");
    // Settled without being asked: the highest receipt ends up on the ledger.
    let settled = async {
        while served.network.state().leases[&LEASE].settled != 90 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patient().time_max, settled).await.unwrap();
    served.shutdown.request();
    served.task.await.unwrap();
}

#[tokio::test]
async fn malformed_requests_have_a_number_too() {
    let served = serve().await;
    let client = reqwest::Client::new();
    for (path, body) in [
        ("/v1/query", "{"),
        ("/v1/query", "{\"lease\":1}"),
        ("/v1/query", "{\"lease\":1,\"sql\":\"SELECT 1\",\"extra\":2}"),
        ("/v1/query", "{\"lease\":-1,\"sql\":\"SELECT 1\"}"),
        ("/v1/quote", "[]"),
        ("/v1/receipts", "{\"receipt\":{}}"),
    ] {
        let response = client.post(format!("{}{path}", served.base)).body(body).send().await;
        let response = response.unwrap();
        assert_eq!(response.status(), 400, "{path} {body}");
        let body: ErrorBody = response.json().await.unwrap();
        assert_eq!((body.code, body.name.as_str()), (1, "MalformedRequest"));
    }
    let health = reqwest::get(format!("{}/health", served.base)).await.unwrap();
    assert_eq!(health.text().await.unwrap(), "ok\n");
    served.shutdown.request();
    served.task.await.unwrap();
}
