//! A key in another process signs what the key itself would, and nothing that convicts.

use std::{
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    time::Duration,
};

use alloy_primitives::Address;
use cairn_consensus::{
    ConsensusSigner as _, Guard, LocalSigner, Proposed, Refusal, VoteAsk, VoteLog, VoteStart,
    namespace,
};
use cairn_kit::Shutdown;
use cairn_primitives::{Digest, PublicKey, Signature, candidacy_message};
use proptest::prelude::*;

use super::{
    Reply, Request, SignedKind, SignerError, SignerStatus, SocketSigner, serve,
    server::Signer,
    wire::{receive, send},
};

const SECRET: [u8; 32] = [7; 32];
const GENESIS: Digest = Digest([3; 32]);
/// Time for an answer that comes.
const LONG: Duration = Duration::from_secs(1_200);
/// Time for one that does not, and for all that is done before it is missed.
const SHORT: Duration = Duration::from_secs(3);

fn local() -> LocalSigner {
    LocalSigner::new(&SECRET, GENESIS).unwrap()
}

fn guard(folder: &Path, start: VoteStart) -> Guard {
    Guard::new(local(), VoteLog::open(&folder.join("votes.log"), start).unwrap())
}

const fn proposed(term: u64, view: u64, block: u8) -> Proposed {
    Proposed { term, view, parent: view - 1, block: [block; 32] }
}

/// Runs a signer while `test` uses it.
async fn with_signer<T>(folder: &Path, test: impl FnOnce(SocketSigner) -> T) -> T {
    let (socket, shutdown) = (folder.join("signer.sock"), Shutdown::new());
    let (ready, listens) = tokio::sync::oneshot::channel();
    let server = tokio::spawn({
        let (socket, shutdown) = (socket.clone(), shutdown.clone());
        let guard = guard(folder, VoteStart::New);
        async move { serve(guard, &socket, || ready.send(()).unwrap(), shutdown).await }
    });
    listens.await.unwrap();
    let tested = test(SocketSigner::connect_with(&socket, LONG).unwrap());
    shutdown.request();
    server.await.unwrap().unwrap();
    assert!(!socket.exists(), "a signer takes its socket with it");
    tested
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_behind_a_socket_signs_as_the_key_does() {
    let folder = tempfile::tempdir().unwrap();
    with_signer(folder.path(), |remote| {
        let local = local();
        assert_eq!((remote.key(), remote.genesis()), (local.public_key(), GENESIS));
        let votes = [
            VoteAsk::Notarize(proposed(1, 5, 9)),
            VoteAsk::Finalize(proposed(1, 5, 9)),
            VoteAsk::Nullify { term: 1, view: 6 },
        ];
        for ask in &votes {
            assert_eq!(remote.vote(ask), local.vote(ask));
        }
        assert_eq!(remote.reveal(1, 5), local.reveal(1, 5));
        let domain = [namespace(&GENESIS), b"_TRACKER_IP".to_vec()].concat();
        assert_eq!(remote.hello(&domain, b"here"), local.hello(&domain, b"here"));
        assert_eq!(remote.hello(b"", &[1; 32]), local.hello(b"", &[1; 32]));
        let operator = Address::repeat_byte(4);
        let proof = remote.possession(operator).unwrap();
        let message = candidacy_message(GENESIS, operator, &local.public_key());
        let key = PublicKey::from_bytes(cairn_primitives::KeyType::Ed25519, &local.public_key());
        assert!(key.unwrap().verify(&message, &Signature(proof)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_never_signs_two_votes_that_convict_whatever_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    with_signer(folder.path(), |remote| {
        assert!(remote.vote(&VoteAsk::Notarize(proposed(2, 5, 1))).is_some());
        assert!(remote.vote(&VoteAsk::Notarize(proposed(2, 5, 2))).is_none());
        assert!(remote.vote(&VoteAsk::Nullify { term: 2, view: 7 }).is_some());
        assert!(remote.vote(&VoteAsk::Finalize(proposed(2, 7, 1))).is_none());
        assert!(
            remote.vote(&VoteAsk::Nullify { term: 1, view: 9 }).is_none(),
            "a term that is over"
        );
    })
    .await;
    // It remembers: the log is on the disk before the signature leaves.
    with_signer(folder.path(), |remote| {
        assert!(remote.vote(&VoteAsk::Notarize(proposed(2, 5, 2))).is_none());
        assert!(remote.vote(&VoteAsk::Notarize(proposed(2, 5, 1))).is_some(), "the same again");
        assert!(remote.vote(&VoteAsk::Nullify { term: 1, view: 9 }).is_none());
    })
    .await;
}

#[test]
fn a_handshake_cannot_be_a_vote() {
    let folder = tempfile::tempdir().unwrap();
    let guard = guard(folder.path(), VoteStart::New);
    let votes = ["_NOTARIZE", "_NULLIFY", "_FINALIZE"];
    for kind in votes {
        let domain = [namespace(&GENESIS), kind.as_bytes().to_vec()].concat();
        assert_eq!(guard.hello(&domain, b"anything"), Err(Refusal::Domain), "{kind}");
    }
    assert_eq!(
        guard.hello(b"", &[0; 31]),
        Err(Refusal::Domain),
        "32 bytes are what a reveal hashes"
    );
    assert_eq!(guard.hello(b"cairn/another", b"anything"), Err(Refusal::Domain));
}

#[test]
fn a_signer_that_is_away_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = SocketSigner::connect(&folder.path().join("nobody.sock")).unwrap_err();
    assert!(matches!(error, SignerError::Away { .. }), "{error}");
    assert!(error.to_string().contains("cairn signer run"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_tells_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("signer.sock");
    with_signer(folder.path(), |remote| {
        let new = SocketSigner::status(&socket).unwrap();
        assert_eq!((new.consensus_key.0, new.genesis), (local().public_key(), GENESIS));
        assert_eq!((new.votes, new.last, new.is_well()), (0, None, true));
        remote.vote(&VoteAsk::Nullify { term: 3, view: 16 }).unwrap();
        remote.vote(&VoteAsk::Notarize(proposed(3, 17, 1))).unwrap();
        assert!(remote.vote(&VoteAsk::Notarize(proposed(3, 17, 2))).is_none());
        assert!(remote.hello(b"cairn/another", b"anything").is_none());
        let after = SocketSigner::status(&socket).unwrap();
        let last = after.last.unwrap();
        assert_eq!((last.kind, last.term, last.view), (SignedKind::Notarize, 3, 17));
        assert!(last.ago_ms <= after.running_ms && after.running_ms >= new.running_ms);
        assert_eq!((after.votes, after.refused.contradiction, after.refused.domain), (2, 1, 1));
        assert_eq!((after.refused.log, after.refused.malformed), (0, 0));
        for status in [new, after] {
            let bytes = status.to_bytes();
            assert_eq!(SignerStatus::from_bytes(&bytes), Some(status));
            assert_eq!(SignerStatus::from_bytes(&bytes[..bytes.len() - 1]), None);
            assert_eq!(SignerStatus::from_bytes(&[bytes, vec![0]].concat()), None);
        }
    })
    .await;
}

/// Gives one answer on each of the next `connections`, then closes it.
fn laconic(listener: &UnixListener, connections: usize) {
    for _ in 0..connections {
        let (mut stream, _) = listener.accept().unwrap();
        receive(&mut stream).unwrap();
        send(&mut stream, &Reply::Done(vec![7; 64]).encode()).unwrap();
    }
}

/// How many connections were made that nobody took yet; they are left open.
fn waiting(listener: &UnixListener) -> Vec<UnixStream> {
    listener.set_nonblocking(true).unwrap();
    listener.incoming().map_while(Result::ok).collect()
}

#[test]
fn a_closed_connection_is_made_again_and_silence_is_waited_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("signer.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let ask = VoteAsk::Nullify { term: 1, view: 1 };
    std::thread::scope(|scope| {
        scope.spawn(|| laconic(&listener, 2));
        let remote = SocketSigner::connect_with(&socket, LONG).unwrap();
        assert_eq!(remote.vote(&ask), Some([7; 64]), "on a second connection: the first is closed");
    });
    assert!(waiting(&listener).is_empty(), "two were enough");

    listener.set_nonblocking(false).unwrap();
    let remote = std::thread::scope(|scope| {
        scope.spawn(|| laconic(&listener, 1));
        SocketSigner::connect_with(&socket, SHORT).unwrap()
    });
    assert_eq!(remote.vote(&ask), None);
    let silent = waiting(&listener);
    assert_eq!(silent.len(), 1, "nobody answers on the second");
    assert_eq!(remote.vote(&ask), None);
    assert_eq!(waiting(&listener).len(), 1, "a connection a question, not two");
}

#[test]
fn an_old_connection_that_says_nothing_is_not_followed_by_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("signer.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // Who it is, it says; then it hangs.
    let hangs = || {
        let (mut stream, _) = listener.accept().unwrap();
        receive(&mut stream).unwrap();
        send(&mut stream, &Reply::Done(vec![7; 64]).encode()).unwrap();
        stream
    };
    let (remote, _open) = std::thread::scope(|scope| {
        let server = scope.spawn(hangs);
        let remote = SocketSigner::connect_with(&socket, SHORT).unwrap();
        (remote, server.join().unwrap())
    });
    assert_eq!(remote.vote(&VoteAsk::Nullify { term: 1, view: 1 }), None);
    assert!(waiting(&listener).is_empty());
}

fn any_vote() -> impl Strategy<Value = VoteAsk> {
    let proposed = (any::<u64>(), any::<u64>(), any::<u64>(), any::<[u8; 32]>())
        .prop_map(|(term, view, parent, block)| Proposed { term, view, parent, block });
    prop_oneof![
        proposed.clone().prop_map(VoteAsk::Notarize),
        (any::<u64>(), any::<u64>()).prop_map(|(term, view)| VoteAsk::Nullify { term, view }),
        proposed.prop_map(VoteAsk::Finalize),
    ]
}

fn any_request() -> impl Strategy<Value = Request> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..300);
    prop_oneof![
        Just(Request::Who),
        (bytes.clone(), bytes).prop_map(|(domain, message)| Request::Hello { domain, message }),
        any_vote().prop_map(Request::Vote),
        (any::<u64>(), any::<u64>()).prop_map(|(term, view)| Request::Reveal { term, view }),
        any::<[u8; 20]>().prop_map(|bytes| Request::Possession(bytes.into())),
        Just(Request::Status),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn requests_are_read_as_they_were_written(request in any_request()) {
        let body = request.encode().unwrap();
        prop_assert_eq!(Request::decode(&body), Ok(request));
        prop_assert!(Request::decode(&body[..body.len() - 1]).is_err());
        let longer = [body.as_slice(), &[0]].concat();
        prop_assert!(Request::decode(&longer).is_err());
    }

    #[test]
    fn garbage_is_refused_in_words(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assume!(Request::decode(&body).is_err());
        let folder = tempfile::tempdir().unwrap();
        let reply = Signer::new(guard(folder.path(), VoteStart::New)).answer(&body);
        let Reply::Refused { number, reason } = Reply::decode(&reply.encode()).unwrap() else {
            return Err(TestCaseError::fail("it was answered"));
        };
        prop_assert!(number == Refusal::Malformed as u8 && !reason.is_empty());
    }
}
