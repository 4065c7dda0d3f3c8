//! A liar: two votes in every round.

use commonware_codec::{DecodeExt as _, Encode as _, varint::UInt};
use commonware_consensus::{
    simplex::types::{Finalize, Notarize, Proposal, Vote},
    types::Round,
};
use commonware_cryptography::{ed25519, sha256::Digest};
use commonware_p2p::{Receiver, Recipients, Sender, utils::mux};
use commonware_runtime::{Handle, Spawner as _, deterministic};
use rand_core::CryptoRng;

use super::simulated::Network;
use crate::{finality::validator_set, scheme::Scheme};

/// A validator that signs, in every round in which it hears a vote, that vote and a contradicting one, and two for the next.
pub(super) struct TwoFaced {
    pub(super) network: Network,
    pub(super) key: ed25519::PrivateKey,
}

impl TwoFaced {
    pub(super) fn start(
        self,
        context: deterministic::Context,
        (mut sender, mut receiver): (impl Sender, impl Receiver),
    ) -> Handle<()> {
        context.spawn(move |mut context| async move {
            while let Ok((_, message)) = receiver.recv().await {
                let Ok((term, vote)) = mux::parse(message) else { continue };
                let Ok(vote) = Vote::<Scheme, Digest>::decode(vote) else { continue };
                for answer in self.answers(term, &vote, &mut context) {
                    let message = [UInt(term).encode(), answer.encode()].concat();
                    sender.send(Recipients::All, message, true);
                }
            }
        })
    }

    fn answers(
        &self,
        term: u64,
        vote: &Vote<Scheme, Digest>,
        rng: &mut impl CryptoRng,
    ) -> Vec<Vote<Scheme, Digest>> {
        let set = validator_set(&self.network.validators(term)).unwrap();
        let Some(scheme) = Scheme::liar(&self.network.domain(), set, self.key.clone()) else {
            return Vec::new();
        };
        let mut random = || {
            let mut payload = [0; 32];
            rng.fill_bytes(&mut payload);
            Digest::from(payload)
        };
        let other = |proposal: &Proposal<Digest>, payload| {
            Proposal::new(proposal.round, proposal.parent, payload)
        };
        match vote {
            // Its answer to this round mostly comes after the certificate, when nobody looks at votes any more; the two for the next
            // round come before everybody's.
            Vote::Notarize(heard) => {
                let (round, payload) = (heard.proposal.round, heard.proposal.payload);
                let next = Round::new(round.epoch(), round.view().next());
                let ahead = Proposal::new(next, round.view(), payload);
                [
                    other(&heard.proposal, random()),
                    heard.proposal.clone(),
                    other(&ahead, random()),
                    other(&ahead, random()),
                ]
                .into_iter()
                .filter_map(|proposal| Notarize::sign(&scheme, proposal).map(Vote::Notarize))
                .collect()
            }
            Vote::Finalize(heard) => [other(&heard.proposal, random()), heard.proposal.clone()]
                .into_iter()
                .filter_map(|proposal| Finalize::sign(&scheme, proposal).map(Vote::Finalize))
                .collect(),
            Vote::Nullify(_) => Vec::new(),
        }
    }
}
