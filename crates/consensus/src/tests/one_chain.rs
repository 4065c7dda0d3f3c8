//! What every scenario ends with.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256};
use cairn_ledger::time_of;
use cairn_primitives::TimeMs;
use commonware_cryptography::ed25519;
use commonware_glue::simulate::{property::Property, tracker::ProgressTracker};
use rand_core::CryptoRng;

use super::{
    fixture::{START_MS, seat},
    simulated::{Network, Node, PAYEE, TRANSFERS},
};
use crate::{
    beacon::{Beacon, mix_after},
    finality::FinalityProof,
};

/// What must hold at the end of every scenario: one chain, its certificates prove it by the validators of their terms, each
/// term's last block names the next, each block has its leader's reveal and its mix is that of all before, who led a block had a seat, every transfer was paid once, the ledger's invariants
/// hold; and nothing of `forbidden` was finalised.
#[derive(Clone)]
pub struct OneChain {
    network: Network,
    forbidden: Option<usize>,
    pub(super) leaders: Arc<Mutex<BTreeMap<Address, u64>>>,
}

impl OneChain {
    /// The property of `network`, whose lying proposer finalises nothing.
    pub fn of(network: &Network) -> Self {
        let forbidden = network.byzantine;
        Self { network: network.clone(), forbidden, leaders: Arc::default() }
    }
}

impl OneChain {
    /// Checks a certificate by the validators of the block's term.
    fn check_proof(
        &self,
        header: &Header,
        certificate: &[u8],
        next_mix: Option<B256>,
        rng: &mut impl CryptoRng,
    ) -> Result<(), String> {
        let (network, height) = (&self.network, header.number);
        let validators = |term| Some(network.validators(term));
        let proof = FinalityProof::check(certificate, &network.identity.hash, validators, rng)
            .map_err(|error| format!("proof of {height}: {error}"))?;
        let term = network.identity.terms.term_of(height);
        if proof.preamble.header != *header || proof.term() != term {
            return Err(format!("the proof of {height} proves another block"));
        }
        if !Beacon::new(network.identity.hash).check(&proof.preamble) {
            return Err(format!("block {height} has another reveal than its leader's"));
        }
        if next_mix.is_some_and(|mix| mix_after(&proof.preamble) != Some(mix)) {
            return Err(format!("the mix after {height} is not in the header of the next block"));
        }
        let mut next = Vec::new();
        if height == network.identity.terms.last_of(term) {
            next = network.validators(term + 1);
            next.sort_unstable();
        }
        if proof.next_validators() == next {
            Ok(())
        } else {
            Err(format!("block {height} names other validators than those of the next term"))
        }
    }
}

impl Property<ed25519::PublicKey, Node> for OneChain {
    fn name(&self) -> &str {
        "one chain"
    }

    fn check<'a>(
        &'a self,
        _: &'a ProgressTracker<ed25519::PublicKey>,
        nodes: &'a [&'a Node],
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> {
        Box::pin(async move {
            let nodes: Vec<&Node> =
                nodes.iter().copied().filter(|node| node.marshal.is_some()).collect();
            // One that executed everything says what the others must have.
            let whole = nodes.iter().find(|node| node.disk.taken() == 0).ok_or("nobody has all")?;
            let rules = &self.network.identity.terms;
            let top = nodes.iter().map(|node| node.disk.height()).min().unwrap_or(0);
            let (mut proven, mut rng) = (0, commonware_utils::test_rng());
            for height in 1..=top {
                let block = whole.disk.block(height).ok_or(format!("no block {height}"))?;
                let next_mix = whole.disk.block(height + 1).map(|next| next.header.mix_hash);
                let term = rules.term_of(height);
                let last = rules.last_of(term);
                for node in &nodes {
                    if height <= node.disk.taken() {
                        continue;
                    }
                    let other = node.disk.block(height).ok_or(format!("no block {height}"))?;
                    if other.header != block.header
                        || other.digest != block.digest
                        || other.writes != block.writes
                    {
                        return Err(format!("two blocks at height {height}"));
                    }
                    if !other.certificate.is_empty() {
                        let certificate = &other.certificate;
                        self.check_proof(&block.header, certificate, next_mix, &mut rng)?;
                        proven += 1;
                    } else if height == last {
                        return Err(format!("block {height} ends a term and has no proof"));
                    }
                }
                if !self.network.seats(term).iter().any(|s| s.operator == block.header.beneficiary)
                {
                    return Err(format!("block {height} of a leader without a seat is final"));
                }
                if self.forbidden.is_some_and(|i| seat(i).operator == block.header.beneficiary) {
                    return Err(format!("block {height} of the byzantine validator is final"));
                }
                *self.leaders.lock().unwrap().entry(block.header.beneficiary).or_default() += 1;
            }
            if proven * 2 < top {
                return Err(format!("only {proven} proofs for {top} blocks"));
            }
            for node in &nodes {
                if node.disk.balance(PAYEE) != U256::from(TRANSFERS) {
                    return Err(format!("the payee has {}", node.disk.balance(PAYEE)));
                }
                let time =
                    whole.disk.block(top).map_or(TimeMs(START_MS), |block| time_of(&block.header));
                let state = node.disk.state();
                let violations =
                    self.network.identity.ledger.check(&state, time).map_err(|e| e.to_string())?;
                if !violations.is_empty() {
                    return Err(format!("invariants: {violations:?}"));
                }
            }
            if let Some(sensing) = &self.network.sensing {
                sensing.check(&whole.disk).await?;
            }
            Ok(())
        })
    }
}
