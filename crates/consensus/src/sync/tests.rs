//! State sync on the deterministic runtime: honest and lying peers, a node that is killed on the way, a block that peers forget.

use std::{
    collections::BTreeSet,
    num::NonZeroU64,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy_primitives::{Address, U256};
use bytes::Bytes;
use cairn_ledger::{Account, Writes};
use commonware_cryptography::{Digestible as _, ed25519};
use commonware_glue::stateful::db::DatabaseSet;
use commonware_runtime::{Runner as _, Supervisor as _, deterministic};
use commonware_storage::archive::{Archive as _, Identifier};
use futures::future::BoxFuture;

use super::{lab::Lab, *};
use crate::{
    ports::Disk as _,
    seats::TermRules,
    tests::fixture::{MemoryDisk, identity, keys, rota, seat},
    tree::SharedTree,
};

type Context = deterministic::Context;
/// Blocks of the chain whose last state is taken, over four terms.
const HEIGHT: u64 = 17;
const TERM_BLOCKS: u64 = 5;

fn network() -> NetworkIdentity {
    let mut network = identity(1, 250, 1_000);
    network.terms = rota(&network, TERM_BLOCKS, |_| vec![seat(0)]);
    network
}

/// The first block brings accounts, slots and code, later ones change, add and remove.
fn blocks(number: u64) -> Writes {
    let mut writes = Writes::default();
    let address = |n: u64| Address::from_word(B256::from(U256::from(n * 7_919 + 1)));
    let code = Bytes::from(vec![0x60; 40]);
    let account = |n: u64| Account {
        nonce: n,
        balance: U256::from(n),
        code_hash: if n.is_multiple_of(50) {
            keccak256(&code)
        } else {
            alloy_primitives::KECCAK256_EMPTY
        },
    };
    for n in 0..300 {
        if number == 1 || n % 20 == number {
            writes.accounts.insert(address(n), Some(account(n + number)));
            writes.slots.insert((address(n % 3), U256::from(n)), U256::from(n + number));
        }
        if number > 1 && n % 41 == number {
            writes.accounts.insert(address(n), None);
            writes.slots.insert((address(n % 3), U256::from(n)), U256::ZERO);
        }
    }
    writes.codes.insert(keccak256(&code), code.into());
    writes
}

async fn lab(context: &Context, name: &'static str, height: u64) -> Lab<Context> {
    let page_cache = CacheRef::new(NZU16!(4096), NZUsize!(64));
    let tree = <SharedTree<Context> as DatabaseSet<Context>>::init(
        context.child(name),
        tree::config(name, page_cache),
        None,
    )
    .await;
    let key: ed25519::PrivateKey = keys(1).remove(0);
    let mut lab = Lab::new(&network(), key, tree, height, blocks).await;
    lab.page_bytes = 4_000;
    lab
}

/// What a peer does with an honest answer.
type Twist = Box<dyn Fn(&Question, Bytes) -> Result<Bytes, SourceError> + Send + Sync>;
/// Makes a twist.
type Lie = fn() -> Twist;

/// One honest peer's answers, given by several peers, each in its way.
struct Several {
    lab: Lab<Context>,
    twists: Vec<Twist>,
    /// Questions that were answered by each, before it is gone.
    asked: Mutex<Vec<(usize, Question)>>,
    /// After so many questions nobody answers any more, for ever.
    dies_after: AtomicU64,
}

impl Several {
    fn new(lab: Lab<Context>, twists: Vec<Twist>) -> Self {
        Self { lab, twists, asked: Mutex::default(), dies_after: AtomicU64::new(u64::MAX) }
    }

    fn asked_of(&self, peer: usize) -> usize {
        self.asked.lock().unwrap().iter().filter(|(of, _)| *of == peer).count()
    }
}

impl StateSource for Several {
    fn peers(&self) -> usize {
        self.twists.len()
    }
    fn name(&self, peer: usize) -> String {
        format!("peer {peer}")
    }
    fn ask(&self, peer: usize, question: Question) -> BoxFuture<'_, Result<Bytes, SourceError>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push((peer, question.clone()));
            if self.dies_after.fetch_sub(1, Ordering::Relaxed) == 0 {
                // As a process that is killed: nothing comes back.
                futures::future::pending::<()>().await;
            }
            let answer = self.lab.answer(question.clone()).await?;
            self.twists[peer](&question, answer)
        })
    }
}

fn honest() -> Twist {
    Box::new(|_, answer| Ok(answer))
}

fn sync(disk: &MemoryDisk) -> StateSync {
    StateSync {
        identity: network(),
        trusted: None,
        // It takes what a follower takes, and the block.
        taker: Taker::Validator,
        prefix: "synced".to_owned(),
        disk: Arc::new(disk.clone()),
    }
}

/// Checks that the disk has exactly the lab's state, and the tree the header's root.
async fn same(context: &Context, disk: &MemoryDisk, lab: &Lab<Context>) {
    let (taken, given) = (disk.state(), lab.state());
    assert_eq!(taken.accounts, given.accounts);
    assert_eq!(taken.slots, given.slots);
    assert_eq!(disk.head().unwrap().as_ref(), Some(lab.header()));
    let used: BTreeSet<B256> = given.accounts.values().map(|account| account.code_hash).collect();
    assert!(used.iter().all(|hash| *hash == alloy_primitives::KECCAK256_EMPTY
        || taken.codes.get(hash) == given.codes.get(hash)));
    let page_cache = CacheRef::new(NZU16!(4096), NZUsize!(64));
    let tree = <SharedTree<Context> as DatabaseSet<Context>>::init(
        context.child("again"),
        tree::config("synced", page_cache),
        None,
    )
    .await;
    assert_eq!(B256::from(tree.read().await.root().0), lab.header().state_root);
    begun(context, lab.header()).await;
}

/// Checks that a validator's archives begin with the block of this header.
async fn begun(context: &Context, header: &Header) {
    let page_cache = CacheRef::new(NZU16!(4096), NZUsize!(64));
    let archives = Archives::open(&context.child("archives"), "synced", &page_cache).await.unwrap();
    let certificate = archives.beginning().await.unwrap().expect("a certificate");
    let block = archives.blocks.get(Identifier::Index(header.number)).await.unwrap().unwrap();
    assert_eq!((&block.preamble.header, block.transactions.len()), (header, 0));
    assert_eq!(certificate.proposal.payload, block.digest());
}

#[test]
fn a_state_is_taken_and_is_the_whole_state() {
    deterministic::Runner::default().start(|context| async move {
        let source = Arc::new(Several::new(lab(&context, "lab", HEIGHT).await, vec![honest()]));
        let disk = MemoryDisk::default();
        let synced = sync(&disk).run(context.child("sync"), source.clone()).await.unwrap();
        let state = source.lab.state();
        let entries = (state.accounts.len() + state.slots.len()) as u64;
        assert_eq!((synced.height, synced.entries), (HEIGHT, entries));
        same(&context, &disk, &source.lab).await;
        // The handovers came too, for those who ask this node.
        for term in 0..HEIGHT / TERM_BLOCKS {
            assert!(disk.handover((term + 1) * TERM_BLOCKS - 1).is_some());
        }
        let again = sync(&disk).run(context.child("again"), source).await;
        assert!(matches!(again, Err(SyncError::NotEmpty)));
    });
}

/// A peer that changes the answers to some questions is left, and nothing of it is used; if it is the only one, nothing is taken.
#[test]
fn lying_peers_are_left() {
    let lies: Vec<(&str, Lie)> = vec![
        ("a proof", || {
            Box::new(move |q, a| match q {
                Question::Proofs { .. } => flip_at(&a, 200),
                _ => Ok(a),
            })
        }),
        ("a header", || {
            Box::new(move |q, a| match q {
                Question::Headers { .. } => flip_at(&a, 300),
                _ => Ok(a),
            })
        }),
        ("the log", || {
            Box::new(move |q, a| match q {
                Question::Log(_) => flip_at(&a, a.len() / 2),
                _ => Ok(a),
            })
        }),
        ("a balance", || {
            Box::new(move |q, a| match q {
                Question::Entries { .. } if !a.is_empty() => flip_at(&a, 21 + 8 + 31),
                _ => Ok(a),
            })
        }),
        ("an entry too few", || {
            Box::new(move |q, a| match q {
                Question::Entries { after, .. } if after.is_empty() => Ok(a.slice(93..)),
                _ => Ok(a),
            })
        }),
        ("an early end", || {
            Box::new(move |q, a| match q {
                Question::Entries { after, .. } if !after.is_empty() => Ok(Bytes::new()),
                _ => Ok(a),
            })
        }),
        ("other code", || {
            Box::new(move |q, a| match q {
                Question::Codes(_) => flip_at(&a, 5),
                _ => Ok(a),
            })
        }),
        ("a transaction too many", || {
            Box::new(move |q, a| match q {
                Question::Body { .. } => Ok(list(&[Bytes::from_static(b"tx")]).into()),
                _ => Ok(a),
            })
        }),
        ("nothing but noise", || Box::new(move |_, _| Ok(Bytes::from_static(b"noise")))),
    ];
    for (what, lie) in lies {
        deterministic::Runner::default().start(|context| async move {
            let source = Several::new(lab(&context, "lab", HEIGHT).await, vec![lie(), honest()]);
            let source = Arc::new(source);
            let disk = MemoryDisk::default();
            let synced = sync(&disk).run(context.child("sync"), source.clone()).await;
            assert_eq!(synced.unwrap_or_else(|error| panic!("{what}: {error}")).height, HEIGHT);
            same(&context, &disk, &source.lab).await;
            assert!(source.asked_of(1) > 0, "{what}");
        });
        deterministic::Runner::default().start(|context| async move {
            let source = Several::new(lab(&context, "lab", HEIGHT).await, vec![lie()]);
            let disk = MemoryDisk::default();
            let refused = sync(&disk).run(context.child("sync"), Arc::new(source)).await;
            assert!(matches!(refused, Err(SyncError::NoPeer(_))), "{what}: {refused:?}");
            assert!(disk.head().unwrap().is_none(), "{what}");
        });
    }
}

fn flip_at(answer: &Bytes, at: usize) -> Result<Bytes, SourceError> {
    let mut bytes = answer.to_vec();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 1;
    Ok(bytes.into())
}

/// Killed after any question, the next start goes on and ends with the same state, asking less than a whole sync.
#[test]
fn a_killed_node_goes_on_where_it_was() {
    let whole = {
        let mut asked = 0;
        let disk = MemoryDisk::default();
        let counted = &mut asked;
        deterministic::Runner::default().start(|context| async move {
            let source = Arc::new(Several::new(lab(&context, "lab", HEIGHT).await, vec![honest()]));
            sync(&disk).run(context.child("sync"), source.clone()).await.unwrap();
            *counted = source.asked_of(0);
        });
        asked
    };
    assert!(whole > 8, "{whole} questions");
    for kill in (0..whole as u64).step_by(5) {
        let disk = MemoryDisk::default();
        deterministic::Runner::default().start(|context| async move {
            let mut source = Several::new(lab(&context, "lab", HEIGHT).await, vec![honest()]);
            source.dies_after = AtomicU64::new(kill);
            let source = Arc::new(source);
            let first = sync(&disk);
            let (ended, to) = (context.child("first"), Arc::clone(&source));
            let run = context.child("process").spawn(move |_| async move {
                let _ = first.run(ended, to).await;
            });
            // It wraps when the question is asked, and goes on down with those that were under way.
            while source.dies_after.load(Ordering::Relaxed) <= kill {
                commonware_runtime::Clock::sleep(&context, std::time::Duration::from_millis(1))
                    .await;
            }
            run.abort();
            let _ = run.await;
            let before = source.asked_of(0);
            source.dies_after.store(u64::MAX, Ordering::Relaxed);
            let synced = sync(&disk).run(context.child("second"), source.clone()).await.unwrap();
            assert_eq!(synced.height, HEIGHT);
            same(&context, &disk, &source.lab).await;
            let again = source.asked_of(0) - before;
            assert!(
                again <= whole - usize::try_from(kill).unwrap() / 2 + 4,
                "{kill}: {again} of {whole}"
            );
        });
    }
}

/// The runtime drops every write that was not synced; the ledger's disk keeps what it committed.
#[test]
fn a_power_cut_after_the_end_loses_nothing() {
    let disk = MemoryDisk::default();
    let (taking, header) = (disk.clone(), Arc::new(Mutex::new(None)));
    let given = Arc::clone(&header);
    let ((), stopped) = deterministic::Runner::default().start_and_recover(|context| async move {
        let source = Arc::new(Several::new(lab(&context, "lab", HEIGHT).await, vec![honest()]));
        *given.lock().unwrap() = Some(source.lab.header().clone());
        sync(&taking).run(context.child("sync"), source).await.unwrap();
    });
    let header = header.lock().unwrap().take().unwrap();
    assert_eq!(disk.head().unwrap().as_ref(), Some(&header));
    deterministic::Runner::from(stopped).start(|context| async move {
        let page_cache = CacheRef::new(NZU16!(4096), NZUsize!(64));
        let config = tree::config("synced", page_cache);
        let tree = <SharedTree<Context> as DatabaseSet<Context>>::init(
            context.child("tree"),
            config,
            None,
        )
        .await;
        assert_eq!(B256::from(tree.read().await.root().0), header.state_root);
        begun(&context, &header).await;
    });
}

#[test]
fn only_the_trusted_past_is_followed() {
    deterministic::Runner::default().start(|mut context| async move {
        let lab = lab(&context, "lab", HEIGHT).await;
        let network = network();
        let mut check = |trusted: Option<Trusted>, proofs: &[Bytes]| {
            Anchor::of_proofs(&network, trusted, list(proofs), &mut context)
        };
        let all = lab.proofs.clone();
        assert_eq!(check(None, &all).unwrap().header(), lab.header());
        let hash = |term: u64| {
            let at = usize::try_from(term).unwrap();
            crate::FinalityProof::from_bytes(&all[at]).unwrap().preamble.header.hash_slow()
        };
        let right = Trusted { term: 1, hash: hash(1) };
        assert!(check(Some(right), &all).is_ok());
        let wrong = Trusted { term: 1, hash: hash(2) };
        assert!(matches!(check(Some(wrong), &all), Err(AnchorError::NotTrusted { term: 1, .. })));
        let later = Trusted { term: 9, hash: hash(1) };
        assert!(matches!(check(Some(later), &all), Err(AnchorError::TooOld(9))));
        // No term may be left out, and no handover end elsewhere than at the end of its term.
        assert!(matches!(check(None, &all[1..]), Err(AnchorError::Proof { .. })));
        let twice = [&all[..1], &all[..]].concat();
        assert!(matches!(check(None, &twice), Err(AnchorError::Proof { .. })));
        let short = [&all[..3], &all[2..3]].concat();
        assert!(check(None, &short).is_err());
        assert!(matches!(check(None, &[]), Err(AnchorError::Malformed)));
        // Signed by others.
        let mut other = network.clone();
        other.hash = cairn_primitives::Digest::ZERO;
        assert!(Anchor::of_proofs(&other, None, list(&all), &mut context).is_err());
        let rules = |blocks| {
            TermRules::new(NonZeroU64::new(blocks).unwrap(), 8, Arc::new(network.ledger.clone()))
        };
        other = network.clone();
        other.terms = rules(7);
        let refused = Anchor::of_proofs(&other, None, list(&all), &mut context);
        assert!(matches!(refused, Err(AnchorError::NotLast(4))));
    });
}

#[test]
fn entries_have_one_encoding_and_one_order() {
    let account = Entry::Account(Address::repeat_byte(2), Account::default());
    let slot = Entry::Slot(Address::repeat_byte(1), U256::from(7), U256::from(9));
    let mut bytes = Vec::new();
    account.put(&mut bytes);
    slot.put(&mut bytes);
    assert_eq!(read_entries(&bytes, &[]).unwrap(), [account, slot]);
    assert_eq!(read_entries(&bytes, &account.place()), Err(EntryError), "it was sent before");
    assert_eq!(read_entries(&bytes[..bytes.len() - 1], &[]), Err(EntryError));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    slot.put(&mut first);
    account.put(&mut second);
    assert_eq!(read_entries(&[first, second].concat(), &[]), Err(EntryError), "slots come last");
    assert_eq!(read_entries(&[2; 85], &[]), Err(EntryError));
    assert!(account.place().len() < slot.place().len() && slot.place().len() == PLACE_BYTES_MAX);
}
