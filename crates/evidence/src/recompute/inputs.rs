//! What the ledger says about an epoch, as everybody who recomputes it needs it: `inputs.json` of an archive.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use cairn_economy::{EarnedLine, Pool};
use cairn_primitives::{
    Assurance, Cell, CellError, DeviceId, Digest, EconomyParams, Epoch, EpochSchedule, KeyError,
    KeyType, Position, PublicKey, Sector,
};
use cairn_sectors::{DeviceRecord, EpochContext};
use serde::{Deserialize, Serialize};

use crate::sealed;

/// Everything but the evidence itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// Version of this file's layout.
    pub version: u32,
    /// The network.
    pub genesis: Digest,
    /// The epoch.
    pub epoch: Epoch,
    /// The sector.
    pub sector: Sector,
    /// Where epochs begin and end.
    pub schedule: EpochSchedule,
    /// The economy's parameters.
    pub economy: EconomyParams,
    /// What may be paid.
    pub pool: Pool,
    /// What consumers paid for, per device.
    pub earned: Vec<EarnedLine>,
    /// The roots that anchors may name, by epoch.
    pub anchors: Vec<AnchorRoot>,
    /// Every device that was registered when the epoch ended, in order of registration.
    pub devices: Vec<Device>,
    /// Every commitment of the epoch, in order.
    pub commitments: Vec<Committed>,
}

/// The root that an anchor of `epoch` carries the beginning of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorRoot {
    /// Epoch 0 has the genesis hash, epoch k the reward root of epoch k − 1.
    pub epoch: Epoch,
    /// The whole root.
    pub root: Digest,
}

/// A commitment and whether it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    /// Who committed.
    pub ingest: Address,
    /// Merkle root over the envelopes.
    pub root: Digest,
    /// SHA-256 of the sidecar.
    pub digest: Digest,
    /// Number of envelopes.
    pub count: u32,
    /// Bytes of both files.
    pub size: u64,
    /// Whether more than two thirds of the validators hold the files.
    pub included: bool,
}

impl Committed {
    /// What files are checked against.
    #[must_use]
    pub const fn commitment(&self) -> sealed::Commitment {
        sealed::Commitment {
            root: self.root,
            digest: self.digest,
            count: self.count,
            size: self.size,
        }
    }
}

/// A device as the registry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Who is paid.
    pub owner: Address,
    /// 1 = Ed25519, 2 = P-256.
    pub key_type: u8,
    /// Its public key, as hex.
    pub key: String,
    /// 1 = secure element, 2 = attested, 3 = bare key.
    pub assurance: u8,
    /// Order of registration.
    pub index: u64,
    /// First epoch whose evidence counts.
    pub registered: Epoch,
    /// First epoch whose evidence counts no more.
    pub end: Option<Epoch>,
    /// Where it stands.
    pub position: Position,
    /// The cell of that position: derived again by whoever can, so that nobody needs H3 to split a pool.
    pub cell: Cell,
}

/// Inputs that contradict themselves.
#[derive(Debug, thiserror::Error)]
pub enum InputsError {
    /// A key that is none.
    #[error("device {device}: the key cannot be used")]
    Key {
        /// The device.
        device: DeviceId,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The id is not the key's.
    #[error("device {0}: the id is not that of its key")]
    Id(DeviceId),
    /// The cell is not that of the place.
    #[error("device {0}: the cell is not that of its position")]
    Cell(DeviceId),
    /// A number of assurance that is unknown.
    #[error("device {device}: assurance {assurance} is unknown")]
    Assurance {
        /// The device.
        device: DeviceId,
        /// The number.
        assurance: u8,
    },
    /// A place that is not on Earth.
    #[error("device {device}: the position cannot be")]
    Place {
        /// The device.
        device: DeviceId,
        /// Why.
        #[source]
        source: CellError,
    },
}

impl Device {
    /// The device as `inputs.json` has it.
    #[must_use]
    pub fn of(record: &DeviceRecord) -> Self {
        Self {
            id: record.id,
            owner: record.owner,
            key_type: record.key.key_type() as u8,
            key: hex::encode(record.key.as_bytes()),
            assurance: record.assurance as u8,
            index: record.index,
            registered: record.registered,
            end: record.end,
            position: record.position,
            cell: record.cell,
        }
    }

    /// The checked form; the cell is derived and the id must be the key's.
    ///
    /// # Errors
    /// See `InputsError`.
    pub fn record(&self, sector: Sector) -> Result<DeviceRecord, InputsError> {
        let device = self.id;
        let key_error = |source| InputsError::Key { device, source };
        let key_type = KeyType::from_u8(self.key_type).map_err(key_error)?;
        let bytes = hex::decode(&self.key).unwrap_or_default();
        let key = PublicKey::from_bytes(key_type, &bytes).map_err(key_error)?;
        if DeviceId::of(&key) != device {
            return Err(InputsError::Id(device));
        }
        let assurance = match self.assurance {
            1 => Assurance::SecureElement,
            2 => Assurance::Attested,
            3 => Assurance::Bare,
            assurance => return Err(InputsError::Assurance { device, assurance }),
        };
        let cell =
            Cell::at(self.position).map_err(|source| InputsError::Place { device, source })?;
        if cell != self.cell {
            return Err(InputsError::Cell(device));
        }
        Ok(DeviceRecord {
            id: device,
            owner: self.owner,
            sector,
            key,
            assurance,
            index: self.index,
            registered: self.registered,
            end: self.end,
            position: self.position,
            cell,
        })
    }
}

impl Inputs {
    /// The layout that this code writes and reads.
    pub const VERSION: u32 = 1;

    /// What batches are judged against.
    #[must_use]
    pub fn context(&self) -> EpochContext {
        let anchors =
            self.anchors.iter().map(|anchor| (anchor.epoch, anchor.root.prefix())).collect();
        EpochContext { epoch: self.epoch, schedule: self.schedule, anchors }
    }

    /// The registry.
    ///
    /// # Errors
    /// Names the first device that cannot be.
    pub fn registry(&self) -> Result<BTreeMap<DeviceId, DeviceRecord>, InputsError> {
        self.devices.iter().map(|device| Ok((device.id, device.record(self.sector)?))).collect()
    }

    /// The commitments that count.
    pub fn included(&self) -> impl Iterator<Item = &Committed> {
        self.commitments.iter().filter(|committed| committed.included)
    }
}
