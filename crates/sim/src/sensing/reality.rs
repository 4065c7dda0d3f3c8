//! The reality page over a devnet of 200 epochs: it says what the ledger's state says, two readers agree, an altered number shows.

mod pool;

use std::sync::Arc;

use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::Bytes;
use cairn_economy::reality::{Absent, Report, report};
use cairn_evidence::reality::{Book, CheckedBlock, Judged, Period, differences};
use cairn_primitives::abi::{CREDITS, ECONOMY, ICredits, IEconomy, INSURANCE, TREASURY};

use super::*;

/// Epochs of the devnet: eight days and a third.
const EPOCHS: u64 = 200;
/// What its consumer spends in an epoch: 20 cents.
const SPEND: MicroUsd = MicroUsd(200_000);

fn devnet() -> Simulation {
    let log = made_up(7, 4, EPOCHS, TimeMs(1_357_020_000_000));
    let (cheaters, faults) = (Vec::new(), BTreeMap::new());
    let config = Config { seed: 1, log, cheaters, epochs: EPOCHS, spend: SPEND, faults };
    let mut simulation = Simulation::recorded(config).expect("the network is founded");
    for _ in 0..EPOCHS {
        simulation.step().expect("every epoch becomes final");
    }
    simulation
}

fn book_of(simulation: &Simulation) -> Book {
    let mut book = Book::new(simulation.genesis());
    for block in simulation.chain().blocks() {
        book.fold(&block.header, &block.transactions, &block.receipts).expect("the next block");
    }
    book
}

fn files_of(simulation: &Simulation, epoch: Epoch) -> [Bytes; 3] {
    simulation.leaf_files(epoch).expect("kept").clone().map(Bytes::from)
}

fn page(simulation: &Simulation, book: &Book, period: Period) -> Report {
    let judged: Vec<_> = (period.from.0..=period.to.0)
        .map(Epoch)
        .filter_map(|epoch| {
            let row = book.final_epoch(SECTOR, epoch)?;
            let files = files_of(simulation, epoch).map(|bytes| bytes.0);
            let judged = Judged::read(row, files).expect("the ledger's leaves");
            Some((SECTOR, epoch, Arc::new(judged)))
        })
        .collect();
    report(&book.facts(period, &judged))
}

fn value(report: &Report, number: u8, figure: &str) -> i64 {
    let indicator = report.indicator(number).expect("there are twenty");
    let figure = indicator.figure(figure).unwrap_or_else(|| panic!("{number} has no {figure}"));
    figure.value.unwrap_or_else(|| panic!("{number}.{}: {:?}", figure.name, figure.absent))
}

fn absent(report: &Report, number: u8, figure: &str) -> Option<Absent> {
    report.indicator(number)?.figure(figure)?.absent
}

/// The blocks of a node as bytes, read back and checked as an auditor does.
fn audited(simulation: &Simulation) -> Book {
    let mut book = Book::new(simulation.genesis());
    for block in simulation.chain().blocks() {
        let transactions = block.transactions.iter().map(|tx| tx.inner().clone()).collect();
        let body = alloy_consensus::BlockBody {
            transactions,
            ommers: Vec::new(),
            withdrawals: block.header.withdrawals_root.map(|_| Default::default()),
        };
        let raw = alloy_rlp::encode(alloy_consensus::Block { header: block.header.clone(), body });
        let receipts: Vec<Bytes> =
            block.receipts.iter().map(|receipt| receipt.encoded_2718().into()).collect();
        let read = CheckedBlock::read(block.header.number, &raw, &receipts).expect("whole");
        assert_eq!(read.hash, block.header.hash_slow());
        if let Some(fewer) = receipts.len().checked_sub(1) {
            CheckedBlock::read(block.header.number, &raw, &receipts[..fewer]).unwrap_err();
        }
        book.fold(&read.header, &read.transactions, &read.receipts).expect("the next block");
    }
    book
}

/// What the page says of the money is what the ledger's state says.
fn agrees_with_the_state(simulation: &Simulation, report: &Report) {
    let chain = simulation.chain();
    let at = BlockTag::Latest;
    let million = alloy_primitives::U256::from(1_000_000_000_000_u64);
    let shown = |stones: alloy_primitives::U256| i64::try_from(stones / million).expect("small");
    let outstanding =
        block_on(chain.view(CREDITS, ICredits::totalSupplyCall {}, at)).expect("a view");
    let vault = block_on(chain.view(CREDITS, ICredits::vaultCall {}, at)).expect("a view");
    assert_eq!(value(report, 16, "outstanding"), outstanding.to::<i64>());
    assert_eq!(value(report, 16, "vault"), shown(vault));
    let burned = block_on(chain.view(ECONOMY, IEconomy::burnedCall {}, at)).expect("a view");
    let reserve = block_on(chain.view(ECONOMY, IEconomy::reserveCall {}, at)).expect("a view");
    let cap = u128::from(simulation.genesis().economy.cap_stones) * STONE;
    let circulating = alloy_primitives::U256::from(cap) - burned - reserve;
    assert_eq!(value(report, 14, "circulating"), shown(circulating));
    assert_eq!(value(report, 4, "burned"), shown(burned), "the period is the whole life");
    let genesis = u128::from(simulation.genesis().economy.reserve_stones) * STONE;
    // Forfeited subsidies left the reserve and came back.
    let gone = shown(alloy_primitives::U256::from(genesis) - reserve);
    let returned = value(report, 4, "emitted") - gone;
    assert_eq!(returned > 0, value(report, 18, "slashes") > 0, "{returned}");
    assert!(returned >= 0, "{returned}");
    let day = block_on(chain.economy_day(SECTOR, at)).expect("a view");
    let price = u64::try_from(value(report, 19, "price")).expect("a price");
    let left = Stones(day.grantLeftStones.to()).to_micro_usd_floor(MicroUsd(price));
    assert_eq!(value(report, 15, "grant_left"), i64::try_from(left.0).expect("small"));
    // Validators' part of the fees stays in the stake contract.
    let funds = [TREASURY, INSURANCE].map(|fund| chain.balance_of(fund).expect("a balance").0);
    let funds = alloy_primitives::U256::from(funds[0] + funds[1]);
    assert!(value(report, 14, "to_funds") >= shown(funds));
}

#[test]
fn two_hundred_epochs_are_recomputed_and_an_altered_number_shows() {
    let simulation = devnet();
    let (node, auditor) = (book_of(&simulation), audited(&simulation));
    assert_eq!(node.next_epoch(), Epoch(EPOCHS));
    let whole = Period { from: Epoch(0), to: Epoch(EPOCHS - 1) };
    let served = page(&simulation, &node, whole);
    // The last epoch became final in blocks of the next one: with them the page is of the state after the last block.
    let head = Period { from: Epoch(0), to: Epoch(EPOCHS) };
    agrees_with_the_state(&simulation, &page(&simulation, &node, head));
    // The first sale is in epoch 1, over the rows of epoch 0.
    let sold = i64::try_from(SPEND.0 * (EPOCHS - 1)).expect("small");
    assert_eq!(value(&served, 1, "revenue"), sold);
    assert_eq!(value(&served, 2, "revenue"), sold, "consumer and owners are strangers");
    assert_eq!(value(&served, 6, "units_sold"), i64::try_from(4 * (EPOCHS - 1)).expect("small"));
    assert_eq!(value(&served, 8, "effective_payers"), 1_000);
    assert_eq!(value(&served, 13, "collected"), 80_000);
    assert_eq!(absent(&served, 12, "retention"), Some(Absent::TooYoung));
    assert_eq!(absent(&served, 19, "depth"), Some(Absent::NotOnLedger));
    assert_eq!((served.index.letter, served.young), (None, true));

    let schedule = simulation.genesis().schedule();
    let usual = Period::of(None, None, node.next_epoch(), &schedule).expect("a period");
    assert_eq!(usual, Period { from: Epoch(150), to: Epoch(199) });
    let served = page(&simulation, &node, usual);
    // 50 sales now, 49 then: nothing could be sold before epoch 0 was final.
    assert_eq!(value(&served, 12, "retention"), 1_020_408);
    assert_eq!(served.index.letter, Some('F'), "one payer is a twentieth of a market");
    assert!(!served.young);

    // An auditor who reads bytes comes to the same page, also when the chain went on since.
    let json = |report: &Report| serde_json::to_value(report).expect("plain data");
    for period in [whole, usual, Period { from: Epoch(30), to: Epoch(53) }] {
        let served = json(&page(&simulation, &node, period));
        let recomputed = json(&page(&simulation, &auditor, period));
        assert_eq!(differences(&served, &recomputed), []);
        let mut altered = served;
        let figure = &mut altered["indicators"][2]["figures"][0]["value"];
        *figure = (figure.as_i64().expect("a share") - 1).into();
        let found = differences(&altered, &recomputed);
        let paths: Vec<&str> = found.iter().map(|found| found.path.as_str()).collect();
        assert_eq!(paths, ["indicators.2.figures.0.value"]);
    }

    // Leaves that are not the ledger's are refused.
    let row = node.final_epoch(SECTOR, Epoch(7)).expect("final");
    let other = files_of(&simulation, Epoch(8)).map(|bytes| bytes.0);
    assert_eq!(Judged::read(row, other).expect_err("another root").file, "verdicts.jsonl");
}

/// Of four stations, one signs two stories; its bond and its locked subsidies are gone, and the page tells of both.
#[test]
fn a_liar_is_on_the_page_and_the_past_does_not_change() {
    let epochs = 44;
    let log = made_up(7, 4, epochs, TimeMs(1_357_020_000_000));
    let cheaters = vec![Cheater { station: 2, cheat: Cheat::Equivocation, from: Epoch(4) }];
    let faults = BTreeMap::from([(Epoch(2), Fault::Split)]);
    let config = Config { seed: 1, log, cheaters, epochs, spend: SPEND, faults };
    let mut simulation = Simulation::recorded(config).expect("the network is founded");
    let period = Period { from: Epoch(2), to: Epoch(7) };
    for _ in 0..9 {
        simulation.step().expect("every epoch becomes final");
    }
    let early = page(&simulation, &book_of(&simulation), period);
    assert_eq!(value(&early, 18, "slashes"), 1);
    assert_eq!(value(&early, 18, "upheld"), 1_000_000);
    assert_eq!(value(&early, 18, "slashed"), 100_000_000, "the whole bond");
    assert!(value(&early, 17, "epochs_to_detection") <= 2);
    assert!(value(&early, 17, "batches_refused") > 0);
    // Every subsidy of the first epochs has vested since, and the liar's was burned and returned.
    for _ in 9..epochs {
        simulation.step().expect("every epoch becomes final");
    }
    let book = book_of(&simulation);
    assert_eq!(early, page(&simulation, &book, period));
    let head = Period { from: Epoch(0), to: Epoch(epochs) };
    agrees_with_the_state(&simulation, &page(&simulation, &book, head));
}
