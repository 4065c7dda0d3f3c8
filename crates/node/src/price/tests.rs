//! The feeder: what is a price, when one is due, what is told, from where it is read, and a ledger that takes it.

use std::{fs, net::Ipv4Addr, path::Path, sync::Arc};

use axum::{Router, http::StatusCode, routing::get};
use cairn_client::{DevKeys, LedgerClient, Role};
use cairn_primitives::{PoolParams, TimeMs};
use serde_json::json;

use super::{
    view::{is_due, parse, pause},
    *,
};
use crate::{
    chain::{TestChain, genesis},
    dev::DevNode,
    validator::Network,
};

const MINUTE: u64 = 60_000;
const STALE: u64 = 10 * MINUTE;

#[test]
fn a_price_is_a_number_or_an_object_and_nothing_else() {
    for (text, price) in [
        ("1.23", 1_230_000),
        (" 0.000001\n", 1),
        ("250", 250_000_000),
        ("1000000", PRICE_MAX.0),
        (r#"{"price_usd": "1.23"}"#, 1_230_000),
        (r#"{"price_usd":" 0.25 ","at":"noon"}"#, 250_000),
    ] {
        assert_eq!(parse(text), Ok(MicroUsd(price)), "{text}");
    }
    for text in [
        "",
        ".",
        "1.",
        ".5",
        "-1",
        "+1",
        "1e3",
        "$1",
        "1.0000001",
        "1,5",
        "NaN",
        "1 2",
        "{}",
        "{",
        r#"{"price_usd": ""}"#,
        r#"{"usd": "1"}"#,
        "99999999999999999999",
        "<html>",
    ] {
        assert!(matches!(parse(text), Err(ViewError::NoPrice(_))), "{text}: {:?}", parse(text));
    }
    for text in ["0", "0.0", "1000000.000001", r#"{"price_usd": "0"}"#] {
        assert!(matches!(parse(text), Err(ViewError::OutOfRange(_))), "{text}");
    }
    for text in [r#"{"price_usd": 1.23}"#, r#"{"price_usd": null}"#] {
        assert!(matches!(parse(text), Err(ViewError::NotText(_))), "{text}");
    }
    let page = format!("<html>{}\nsecond line", "x".repeat(10_000));
    let told = parse(&page).expect_err("a page").to_string();
    assert!(told.len() < 250 && told.contains("<html>xxx"), "{told}");
}

#[test]
fn it_is_due_when_it_moved_or_grows_old() {
    let due = |seen, fed, age| {
        let last = Some((MicroUsd(fed), TimeMs(MINUTE)));
        is_due(MicroUsd(seen), last, TimeMs(MINUTE + age), STALE)
    };
    assert!(is_due(MicroUsd(1), None, TimeMs(0), STALE), "nothing was fed in this set");
    assert!(!due(250_000, 250_000, 0));
    assert!(!due(251_249, 250_000, 0));
    assert!(due(251_250, 250_000, 0), "half a percent up");
    assert!(due(248_750, 250_000, 0), "and down");
    assert!(!due(248_751, 250_000, 0));
    assert!(!due(250_000, 250_000, STALE / 2 - 1));
    assert!(due(250_000, 250_000, STALE / 2), "half of its life is over");
    assert!(due(u64::MAX, 1, 0));
    let before = is_due(MicroUsd(1), Some((MicroUsd(1), TimeMs(5))), TimeMs(0), STALE);
    assert!(!before, "a feed of a later block than the last one seen");
}

/// Whatever the operator asks for, a view is fed again while the last one counts.
#[test]
fn no_view_stops_counting_between_two_looks() {
    for every in [5, 60, 150] {
        for (scale, stale_ms) in [(1, STALE), (180, 3_600_000), (3_600, 72_000_000)] {
            let pause = pause(Duration::from_secs(every), stale_ms, scale);
            let network_ms = u64::try_from(pause.as_millis()).expect("short") * scale;
            assert!(pause <= Duration::from_secs(every) && !pause.is_zero());
            assert!(stale_ms / 2 + network_ms < stale_ms, "{every} s at {scale}");
        }
    }
}

#[test]
fn trouble_is_told_once_and_its_end_too() {
    let mut told = Told::default();
    let mut turn = |trouble: Option<&str>| told.change(trouble.map(str::to_owned));
    assert_eq!(turn(None), None);
    assert_eq!(turn(Some("no file")), Some(Telling::Trouble));
    assert_eq!(turn(Some("no file")), None);
    assert_eq!(turn(Some("no price")), Some(Telling::Trouble), "another trouble");
    assert_eq!(turn(None), Some(Telling::Over));
    assert_eq!(turn(None), None);
}

#[test]
fn a_source_is_a_path_or_a_url() {
    let folder = Path::new("/srv/validator");
    let shown = |text| PriceSource::new(text, folder).map(|source| source.to_string());
    assert_eq!(shown("price.txt").expect("a file"), "/srv/validator/price.txt");
    assert_eq!(shown("/run/price").expect("a file"), "/run/price");
    let secret = "https://me:pw@203.0.113.7/price?key=1";
    assert_eq!(shown(secret).expect("a URL"), "https://203.0.113.7/price");
    for wrong in ["", " ", "ftp://203.0.113.7/price", "https://"] {
        let told = shown(wrong).expect_err("none").to_string();
        assert!(told.contains("price.source is"), "{told}");
    }
}

#[tokio::test]
async fn a_file_is_read_anew_at_each_look() {
    let folder = tempfile::tempdir().expect("a folder");
    let source = PriceSource::new("price", folder.path()).expect("a file");
    assert!(matches!(source.read().await, Err(SourceError::File { .. })));
    for (text, price) in [("0.25\n", 250_000), ("{\"price_usd\": \"0.26\"}", 260_000)] {
        fs::write(folder.path().join("price"), text).expect("a file");
        assert_eq!(source.read().await.expect("a price"), MicroUsd(price));
    }
    fs::write(folder.path().join("price"), "soon").expect("a file");
    assert!(matches!(source.read().await, Err(SourceError::View(_))));
    fs::write(folder.path().join("price"), "1".repeat(5_000)).expect("a file");
    assert!(matches!(source.read().await, Err(SourceError::TooLong)));
}

#[tokio::test]
async fn a_url_is_asked_and_its_failures_are_told() {
    let app = Router::new()
        .route("/price", get(|| async { r#"{"price_usd": "0.250001"}"# }))
        .route("/long", get(|| async { "1".repeat(100_000) }))
        .route("/broken", get(|| async { StatusCode::BAD_GATEWAY }));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let at = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let source = |path: &str| {
        let url = format!("http://{at}{path}");
        PriceSource::new(&url, Path::new(".")).expect("a URL")
    };
    assert_eq!(source("/price").read().await.expect("a price"), MicroUsd(250_001));
    assert!(matches!(source("/long").read().await, Err(SourceError::TooLong)));
    let error = source("/broken").read().await.expect_err("502");
    assert!(chain(&error).contains("502"), "{}", chain(&error));
    server.abort();
}

/// A genesis with a pool whose only seat is alice's.
fn seated(keys: &DevKeys) -> Genesis {
    let alice = keys.wallet(Role::Owner, "alice").address();
    let mut genesis = genesis(keys);
    let pool = PoolParams {
        usd: 100_000,
        fee_ppm: 3_000,
        owner: alice,
        faucet_account_usd: 0,
        faucet_day_usd: 0,
    };
    genesis.accounts[0].stones -= pool.whole_stones(genesis.price());
    genesis.pool = Some(pool);
    genesis.validators[0].operator = alice;
    genesis.check().expect("a genesis");
    genesis
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_feeds_what_moved_or_grew_old_and_nobody_else_feeds() {
    let keys = DevKeys::new("price tests");
    let genesis = Arc::new(seated(&keys));
    let hash = Genesis::hash_of_text("price");
    let network = Network { genesis: Arc::clone(&genesis), text: "price".into(), hash };
    let folder = tempfile::tempdir().expect("a folder");
    let config = TestChain::config();
    let data = folder.path().join("data");
    let node = DevNode::start(data, &network, Vec::new(), config).await.expect("a chain");
    let client = LedgerClient::new(node.rpc_url()).expect("a URL");
    let stop = Shutdown::new();
    let served = tokio::spawn(node.run(stop.clone()));

    let file = folder.path().join("price.txt");
    let feeder = |label: &str| {
        let sender = Sender::new(client.clone(), keys.wallet(Role::Owner, label));
        let source = PriceSource::new("price.txt", folder.path()).expect("a file");
        Feeder::new(sender, PriceFeed { source, every: Duration::from_secs(60) }, &genesis)
    };
    let (alice, bob) = (feeder("alice"), feeder("bob"));
    assert!(bob.turn().await.expect("without a seat nothing is asked").is_none());
    assert!(matches!(alice.turn().await, Err(FeedError::Source(_))), "there is no file");
    let fed = async |price: &str| {
        fs::write(&file, price).expect("a file");
        alice.turn().await.expect("the ledger takes it")
    };
    assert_eq!(fed("0.5").await, Some(MicroUsd(500_000)));
    assert_eq!(fed("0.5").await, None);
    assert_eq!(fed("0.502499").await, None, "less than half a percent");
    assert_eq!(fed("0.5025").await, Some(MicroUsd(502_500)));
    let me = keys.wallet(Role::Owner, "alice").address();
    let last = client.feed_of(me, BlockTag::Latest).await.expect("a view");
    assert_eq!(last.map(|(price, _)| price), Some(MicroUsd(502_500)));
    let pool = client.price_pool(BlockTag::Latest).await.expect("a view");
    assert_eq!(pool.feeds, Some(MicroUsd(502_500)), "one seat is a quorum of one");

    // More than half an hour: half of what a view counts where network time is 180 times as fast.
    for (method, params) in [("evm_increaseTime", json!([1_900])), ("evm_mine", json!([]))] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let sent = reqwest::Client::new().post(client.url()).json(&body).send().await;
        assert!(sent.expect("it answers").status().is_success());
    }
    assert_eq!(fed("0.5025").await, Some(MicroUsd(502_500)), "it grew old");
    fs::write(&file, "soon").expect("a file");
    assert!(matches!(alice.turn().await, Err(FeedError::Source(SourceError::View(_)))));
    stop.request();
    served.await.expect("it ends");
}
