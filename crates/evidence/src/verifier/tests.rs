//! Every validator's archive ends whole and final, also that of one which is slow, was away, or computes otherwise.

use cairn_kit::{clock::NetworkClock, metrics::Metrics};
use cairn_primitives::{
    Anchor, Batch, Digest, Envelope, Epoch, MerkleTree, Position, Sector, TimeMs,
};
use cairn_sectors::{Rejection, ScoreLeaf};

use super::{Network, Past, Sources, Verifier, gather::leaves, verdicts};
use crate::{
    Desk as _,
    archive::{Archive, EpochFile, LeafLine},
    audit::Auditor,
    fake::{FakeLedger, genesis},
    sealed::{Entry, seal},
    workload::{START_MS, Station},
};

const PLACE: Position = Position { lat_e7: 407_000_000, lon_e7: -740_000_000, elevation_dm: 30 };

/// A network of one station and one ingest, without sockets: the ingest's files are put where a validator looks.
pub(super) struct Bench {
    pub(super) ledger: FakeLedger,
    pub(super) network: Network,
    station: Station,
    files: Archive,
    folder: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        let genesis = genesis("http://127.0.0.1:1");
        let ledger = FakeLedger::new(NetworkClock::manual(START_MS), &genesis);
        let station = Station::new(1);
        ledger.register(&station.key.public(), 1, PLACE);
        let network = Network { genesis, hash: Digest::of(&[b"genesis"]), sector: Sector::Sensing };
        let folder = tempfile::tempdir().unwrap();
        let files = Archive::new(folder.path().join("ingest"));
        Self { ledger, network, station, files, folder }
    }

    /// One reading in the running epoch, sealed and committed when it ends.
    pub(super) async fn epoch(&mut self) {
        self.epoch_with(|_| ()).await;
    }

    async fn epoch_with(&mut self, change: impl Fn(&mut Batch)) {
        let clock = &self.ledger.clock;
        let epoch = self.ledger.schedule.epoch_at(TimeMs(clock.now_ms()));
        let mut batch = self.station.batch(1);
        batch.base_time = TimeMs(self.ledger.schedule.start_of(epoch).0 + 60_000);
        let anchor = epoch.back(1);
        let root = match anchor.previous() {
            None => self.network.hash,
            Some(before) => Digest(self.ledger.state().results[before.0 as usize].rewardRoot.0),
        };
        batch.anchor = Anchor { epoch: anchor, root_prefix: root.prefix() };
        change(&mut batch);
        let entry = Entry::from(Envelope::sign(batch, &self.station.key).unwrap());
        let sealed = seal(epoch, Sector::Sensing, &[entry]).unwrap();
        self.files.put(&sealed.sidecar).unwrap();
        self.files.put(&sealed.readings).unwrap();
        clock.advance_to(self.ledger.schedule.end_of(epoch).0);
        let commitment = sealed.commitment();
        self.ledger.commit(epoch, Sector::Sensing, &commitment).await.unwrap();
    }

    /// A validator's archive, with the ingest's files in reach of every turn.
    pub(super) fn archive(&self, name: &str) -> Archive {
        Archive::new(self.folder.path().join(name))
    }

    pub(super) fn give_files(&self, archive: &Archive) {
        for entry in std::fs::read_dir(self.files.root().join("files")).unwrap() {
            archive.put(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        }
    }

    pub(super) fn verifier(
        &self,
        archive: &Archive,
        peers: Vec<String>,
    ) -> Verifier<FakeLedger, FakeLedger> {
        let sources = Sources::node(archive.clone(), peers).unwrap();
        let ledger = || self.ledger.clone();
        Verifier::new(ledger(), ledger(), sources, self.network.clone())
    }
}

pub(super) fn folder(archive: &Archive, epoch: u64) -> Vec<Option<bytes::Bytes>> {
    EpochFile::ALL.map(|file| archive.get_epoch(Epoch(epoch), file).unwrap()).into()
}

#[tokio::test]
async fn epochs_that_became_final_without_a_validator_are_in_its_archive_too() {
    let mut bench = Bench::new();
    let (fast, slow) = (bench.archive("fast"), bench.archive("slow"));
    let mut first = bench.verifier(&fast, Vec::new());
    let mut late = bench.verifier(&slow, Vec::new());
    for _ in 0..3 {
        bench.epoch().await;
        bench.give_files(&fast);
        bench.give_files(&slow);
        // The others are done before the slow one looks.
        first.turn().await.unwrap();
        first.turn().await.unwrap();
        late.turn().await.unwrap();
    }
    // Away for three epochs, then back with nothing in memory.
    drop(late);
    for _ in 0..3 {
        bench.epoch().await;
        bench.give_files(&fast);
        bench.give_files(&slow);
        first.turn().await.unwrap();
        first.turn().await.unwrap();
    }
    let metrics = Metrics::new();
    let mut back = bench.verifier(&slow, Vec::new()).with_metrics(&metrics);
    while back.metrics.archived.get() < 6 {
        back.turn().await.unwrap();
    }
    assert_eq!(bench.ledger.state().results.len(), 6);
    for epoch in 0..6 {
        assert!(folder(&fast, epoch).iter().all(Option::is_some), "epoch {epoch}");
        assert_eq!(folder(&fast, epoch), folder(&slow, epoch), "epoch {epoch}");
    }
    assert_eq!((back.metrics.missing.get(), back.metrics.differing.get()), (0, 0));
    assert!(metrics.render().contains("cairn_verifier_archived_epochs 6\n"));
}

#[tokio::test]
async fn what_cannot_be_completed_now_holds_up_nothing_and_is_tried_again() {
    let mut bench = Bench::new();
    let (fast, slow) = (bench.archive("fast"), bench.archive("slow"));
    let mut first = bench.verifier(&fast, Vec::new());
    for _ in 0..3 {
        bench.epoch().await;
        bench.give_files(&fast);
        first.turn().await.unwrap();
        first.turn().await.unwrap();
    }
    let mut back = bench.verifier(&slow, Vec::new());
    back.turn().await.unwrap_err();
    back.turn().await.unwrap_err();
    assert_eq!(back.metrics.missing.get(), 3, "no file can be had");
    bench.give_files(&slow);
    while back.metrics.missing.get() > 0 {
        // An epoch is tried before the one that its window needs is there: one turn more.
        let _ = back.turn().await;
    }
    for epoch in 0..3 {
        assert_eq!(folder(&fast, epoch), folder(&slow, epoch), "epoch {epoch}");
    }
}

#[tokio::test]
async fn a_result_that_did_not_become_final_is_kept_beside_the_one_that_did() {
    let mut bench = Bench::new();
    let (honest, peer) = (bench.archive("honest"), bench.archive("peer"));
    let mut first = bench.verifier(&honest, Vec::new());
    for _ in 0..2 {
        bench.epoch().await;
        bench.give_files(&honest);
        first.turn().await.unwrap();
        first.turn().await.unwrap();
    }
    // The quorum says something else about epoch 1: a peer serves what it voted.
    let file = honest.get_epoch(Epoch(1), EpochFile::Scores).unwrap().unwrap();
    let mut scores = leaves(Epoch(1), EpochFile::Scores, &file, ScoreLeaf::from_bytes).unwrap();
    scores[0].score -= 1;
    let voted = MerkleTree::from_hashes(scores.iter().map(ScoreLeaf::hash).collect()).root();
    bench.ledger.state().results[1].scoreRoot = voted.0.into();
    let lines = scores.iter().map(|leaf| (leaf.to_bytes(), "not believed".into()));
    peer.put_epoch(Epoch(1), EpochFile::Scores, &LeafLine::file(lines)).unwrap();
    for file in [EpochFile::Verdicts, EpochFile::Rewards] {
        let content = honest.get_epoch(Epoch(1), file).unwrap().unwrap();
        peer.put_epoch(Epoch(1), file, &content).unwrap();
    }
    let own = folder(&honest, 1);

    let mut back = bench.verifier(&honest, Vec::new());
    back.turn().await.unwrap_err();
    assert_eq!((back.metrics.differing.get(), back.metrics.missing.get()), (1, 1));
    let server = cairn_kit::http::Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}", server.addr());
    let shutdown = cairn_kit::Shutdown::new();
    let router = crate::archive::router(peer.clone());
    let serving = tokio::spawn(server.serve(router, Default::default(), None, shutdown.clone()));
    let mut back = bench.verifier(&honest, vec![url]);
    back.turn().await.unwrap();
    assert_eq!((back.metrics.differing.get(), back.metrics.missing.get()), (1, 0));

    let found = honest.get_epoch(Epoch(1), EpochFile::Scores).unwrap().unwrap();
    assert_eq!(leaves(Epoch(1), EpochFile::Scores, &found, ScoreLeaf::from_bytes).unwrap(), scores);
    assert!(!String::from_utf8_lossy(&found).contains("not believed"));
    let result = honest.get_epoch(Epoch(1), EpochFile::Result).unwrap().unwrap();
    assert!(String::from_utf8_lossy(&result).contains(&voted.to_string()));
    for (file, own) in EpochFile::ALL.into_iter().zip(own) {
        let kept = std::fs::read(honest.own_path(Epoch(1)).join(file.name())).unwrap();
        assert_eq!(kept, own.unwrap(), "{}", file.name());
    }
    // The next epoch builds on what became final.
    bench.epoch().await;
    bench.give_files(&honest);
    back.turn().await.unwrap();
    back.turn().await.unwrap();
    assert_eq!(bench.ledger.state().results.len(), 3);
    shutdown.request();
    serving.await.unwrap().unwrap();
}

/// Far more epochs than the window holds: each is opened once, not once for each of the 48 after it.
#[tokio::test]
async fn epochs_in_rising_order_cost_one_pass_each() {
    let mut bench = Bench::new();
    let archive = bench.archive("validator");
    let mut verifier = bench.verifier(&archive, Vec::new());
    const EPOCHS: u64 = 60;
    for _ in 0..EPOCHS {
        bench.epoch().await;
        bench.give_files(&archive);
        verifier.turn().await.unwrap();
        verifier.turn().await.unwrap();
    }
    let sources = Sources::folder(archive.clone()).unwrap();
    let copies = [sources.clone(), Sources::folder(bench.archive("empty")).unwrap()];
    let calls = |bench: &Bench| bench.ledger.state().commitment_calls;
    let before = calls(&bench);
    let mut auditor = Auditor::new(&bench.ledger, &bench.network, &sources, &copies);
    for epoch in 0..EPOCHS {
        let report = auditor.audit(Epoch(epoch)).await.unwrap();
        assert!(report.equal, "{report:#?}");
        assert_eq!((report.copies[0].whole, report.copies[1].whole), (true, false));
    }
    assert_eq!(calls(&bench) - before, EPOCHS, "the inputs of an epoch were read more than once");

    // A window that was carried is the window that is rebuilt.
    let mut carried = Past::new();
    for epoch in (0..EPOCHS).map(Epoch) {
        let (ledger, network) = (&bench.ledger, &bench.network);
        let carried = carried.before(ledger, &sources, network, epoch).await.unwrap().clone();
        if epoch.0 % 20 == 19 {
            let mut rebuilt = Past::new();
            let rebuilt = rebuilt.before(ledger, &sources, network, epoch).await.unwrap();
            assert_eq!(carried.at(epoch), rebuilt.clone().at(epoch), "epoch {epoch}");
        }
    }
}

#[tokio::test]
async fn a_value_out_of_bounds_is_taken_and_the_score_says_its_number() {
    let mut bench = Bench::new();
    let archive = bench.archive("validator");
    let mut verifier = bench.verifier(&archive, Vec::new());
    // 200 degrees: a verdict accepts what was signed, the score refuses the hour.
    bench.epoch_with(|batch| batch.rows.values[0] = Some(20_000)).await;
    bench.give_files(&archive);
    verifier.turn().await.unwrap();
    verifier.turn().await.unwrap();
    let file = archive.get_epoch(Epoch(0), EpochFile::Verdicts).unwrap().unwrap();
    let found = verdicts(Epoch(0), &file).unwrap();
    assert_eq!(found.iter().map(|leaf| leaf.rejection).collect::<Vec<_>>(), [None]);
    let file = archive.get_epoch(Epoch(0), EpochFile::Scores).unwrap().unwrap();
    let scores = leaves(Epoch(0), EpochFile::Scores, &file, ScoreLeaf::from_bytes).unwrap();
    assert_eq!((scores[0].score, scores[0].rejection), (0, Some(Rejection::OutOfBounds)));
}

/// What a validator computed is nowhere to be read before it votes, and it votes when votes are open.
#[tokio::test]
async fn nothing_is_published_before_votes_are_open() {
    let mut bench = Bench::new();
    let archive = bench.archive("validator");
    let mut verifier = bench.verifier(&archive, Vec::new());
    bench.ledger.state().seals_needed = 2;
    bench.epoch().await;
    bench.give_files(&archive);
    for _ in 0..3 {
        verifier.turn().await.unwrap();
    }
    assert_eq!(bench.ledger.state().sealed.len(), 1, "once");
    assert!(bench.ledger.state().voted.is_empty());
    assert!(folder(&archive, 0).iter().all(Option::is_none), "the archive tells nothing");
    let sealed = bench.ledger.state().sealed[0];

    // A restart computes the same, and does not need to remember the seal.
    let mut verifier = bench.verifier(&archive, Vec::new());
    bench.ledger.state().sealed.push((0, sealed.1));
    verifier.turn().await.unwrap();
    assert_eq!(bench.ledger.state().voted, [sealed]);
    assert!(folder(&archive, 0).iter().all(Option::is_some));
}

/// The others made the epoch final between this validator's seal and its vote: the vote is still cast, since it is paid.
#[tokio::test]
async fn a_sealed_vote_is_cast_for_a_final_epoch_too() {
    let mut bench = Bench::new();
    let archive = bench.archive("validator");
    let mut verifier = bench.verifier(&archive, Vec::new());
    bench.ledger.state().seals_needed = 2;
    bench.epoch().await;
    bench.give_files(&archive);
    verifier.turn().await.unwrap();
    verifier.turn().await.unwrap();
    let sealed = bench.ledger.state().sealed[0];
    bench.ledger.state().results.push(sealed.1.to_vote());
    verifier.turn().await.unwrap();
    assert_eq!(bench.ledger.state().voted, [sealed]);
    verifier.turn().await.unwrap();
    assert_eq!(bench.ledger.state().voted.len(), 1, "once");
}
