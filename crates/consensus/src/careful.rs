//! The way out for votes: none leaves before it is in the log of votes.
//!
//! The engine journals and syncs a vote, then sends it through here. So a journal that is really this node's newest holds everything
//! that the log does, and a crash between the two can never leave the log with a vote that the engine has forgotten.

use std::time::SystemTime;

use commonware_actor::{Feedback, Unreliable};
use commonware_codec::{Copying, DecodeExt as _, ReadExt as _, varint::UInt};
use commonware_consensus::simplex::types::{Subject, Vote as Message};
use commonware_cryptography::sha256::Digest;
use commonware_p2p::{CheckedSender, LimitedSender, Recipients};
use commonware_runtime::IoBufs;

use crate::{
    scheme::{Scheme, vote},
    votes::VoteLog,
};

/// Sends what the log takes.
#[derive(Clone, Debug)]
pub(crate) struct Careful<S> {
    inner: S,
    votes: VoteLog,
}

/// The same with its recipients chosen.
pub(crate) struct Chosen<C> {
    inner: C,
    votes: VoteLog,
}

impl<S> Careful<S> {
    pub(crate) const fn new(inner: S, votes: VoteLog) -> Self {
        Self { inner, votes }
    }
}

/// Whether a message of the votes' channel may go: the term as a varint, then the vote.
fn may_go(votes: &VoteLog, message: &[u8]) -> bool {
    let mut rest = Copying(message);
    let term: Option<u64> = UInt::read(&mut rest).ok().map(Into::into);
    let Ok(message) = Message::<Scheme, Digest>::decode(rest) else { return false };
    let subject = match &message {
        Message::Notarize(vote) => Subject::Notarize { proposal: &vote.proposal },
        Message::Nullify(vote) => Subject::Nullify { round: vote.round },
        Message::Finalize(vote) => Subject::Finalize { proposal: &vote.proposal },
    };
    term.is_some() && votes.sent(&vote(&subject))
}

impl<S: LimitedSender> LimitedSender for Careful<S> {
    type PublicKey = S::PublicKey;
    type Checked<'a>
        = Chosen<S::Checked<'a>>
    where
        Self: 'a;

    fn check(
        &mut self,
        recipients: Recipients<S::PublicKey>,
    ) -> Result<Self::Checked<'_>, SystemTime> {
        let votes = self.votes.clone();
        self.inner.check(recipients).map(|inner| Chosen { inner, votes })
    }
}

impl<C: CheckedSender> CheckedSender for Chosen<C> {
    type PublicKey = C::PublicKey;

    fn recipients(&self) -> Vec<C::PublicKey> {
        self.inner.recipients()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let message = message.into().coalesce();
        if may_go(&self.votes, message.as_ref()) {
            self.inner.send(message, priority)
        } else {
            Unreliable::Rejected
        }
    }
}
