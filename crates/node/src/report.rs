//! What an operator asks a node: `GET /v1/node` (docs/runbooks/validator.md). Everything in it is public.

use alloy_primitives::{Address, B256};
use axum::{Json, Router, extract::State, routing::get};
use cairn_consensus::ValidatorHandle;
use cairn_kit::{NetworkClock, http::ApiError};
use cairn_ledger::{StateError, time_of};
use serde::{Deserialize, Serialize};

use crate::{config::Network, disk::RedbDisk};

/// Blocks that proposals are counted in.
pub const PROPOSALS_BLOCKS: u64 = 1_024;

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Name of the network.
    pub network: String,
    /// Hash of its genesis.
    pub genesis: String,
    /// Last final block on this node's disk.
    pub height: u64,
    /// First block that it keeps whole; 1 above `height` when that is the state that it began with.
    pub blocks_from: u64,
    /// Its network time, ms.
    pub block_time_ms: u64,
    /// Network time of this node's clock, ms.
    pub network_time_ms: u64,
    /// Wall milliseconds by which its last block is behind its clock; a node that is level is behind by a block or two.
    pub behind_ms: u64,
    /// Its seat, where it has one.
    pub seat: Option<Seat>,
}

/// A validator's own view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// Its operator account.
    pub operator: Address,
    /// Name in genesis.
    pub name: String,
    /// Consensus keys of the validators it is connected to.
    pub peers: Vec<B256>,
    /// Seats of the term of the next block.
    pub validators: usize,
    /// Last blocks that were counted.
    pub blocks: u64,
    /// How many of them it proposed.
    pub proposed: u64,
}

/// What a report is made from.
#[derive(Clone)]
pub(crate) struct Report {
    pub(crate) network: Network,
    pub(crate) disk: RedbDisk,
    pub(crate) clock: NetworkClock,
    /// Consensus and operator account of a validator.
    pub(crate) seat: Option<(ValidatorHandle, Address)>,
}

/// Serves the report.
pub(crate) fn router(report: Report) -> Router {
    Router::new().route("/v1/node", get(node)).with_state(report)
}

async fn node(State(report): State<Report>) -> Result<Json<NodeReport>, ApiError> {
    let peers = match &report.seat {
        Some((consensus, _)) => consensus.peers().await,
        None => Vec::new(),
    };
    let made = tokio::task::spawn_blocking(move || make(&report, peers)).await;
    let made = made.map_err(|error| ApiError::internal(&error))?;
    Ok(Json(made.map_err(|error| ApiError::internal(&error))?))
}

fn make(report: &Report, peers: Vec<B256>) -> Result<NodeReport, StateError> {
    let Report { network, disk, clock, seat } = report;
    let snapshot = disk.snapshot();
    let height = snapshot.height();
    let time = snapshot.head().map_or(0, |(_, header)| time_of(header).0);
    let seat = match seat {
        None => None,
        Some((_, operator)) => {
            let first = height.saturating_sub(PROPOSALS_BLOCKS - 1);
            let first = first.max(snapshot.blocks_start()).max(1);
            let mut proposed = 0;
            for at in first..=height {
                let by = snapshot.header(at)?.map(|(_, header)| header.beneficiary);
                proposed += u64::from(by == Some(*operator));
            }
            let term = network.genesis.term_of(height.saturating_add(1));
            let seats = network.ledger().seats_of_term(&*snapshot, term)?;
            let validators = &network.genesis.validators;
            let named = validators.iter().find(|validator| validator.operator == *operator);
            Some(Seat {
                operator: *operator,
                name: named.map(|validator| validator.name.clone()).unwrap_or_default(),
                peers,
                validators: seats.map_or(validators.len(), |seats| seats.len()),
                blocks: (height + 1).saturating_sub(first),
                proposed,
            })
        }
    };
    let now = clock.now_ms();
    Ok(NodeReport {
        network: network.genesis.name.clone(),
        genesis: network.hash.to_string(),
        height,
        blocks_from: snapshot.blocks_start(),
        block_time_ms: time,
        network_time_ms: now,
        behind_ms: now.saturating_sub(time) / network.genesis.time_scale.max(1),
        seat,
    })
}
