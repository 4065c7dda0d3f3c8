//! A device as it is stored: four slots, packed as Solidity packs this struct.
//!
//! ```text
//! slot 0  owner 20 │ sector 1 │ key type 1 │ assurance 1 │ status 1 │ registered epoch 8          (low end first)
//! slot 1  index 8 │ end epoch 8 (0 = open) │ cell 8 │ lat 4 │ lon 4
//! slot 2  elevation 4 │ bond 16 │ first byte of a P-256 key 1
//! slot 3  Ed25519 key, or x of the P-256 key
//! ```

use alloy_primitives::{Address, FixedBytes, U256};
use cairn_primitives::{
    Cell, DeviceId, Epoch, KeyError, KeyType, Position, PublicKey, Stones, abi::IRegistry,
};

use crate::native::{Packer, Stored, Unpacker};

/// Where a device stands in its life. The numbers are wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Never registered.
    Unknown = 0,
    /// Its evidence counts.
    Active = 1,
    /// Its owner ended its service.
    Left = 2,
    /// It contradicted itself.
    Slashed = 3,
}

impl Status {
    const fn from_u8(number: u8) -> Self {
        match number {
            1 => Self::Active,
            2 => Self::Left,
            3 => Self::Slashed,
            _ => Self::Unknown,
        }
    }
}

/// A registered device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Derived from its key.
    pub id: DeviceId,
    /// Who owns it and is paid.
    pub owner: Address,
    /// Number of its sector.
    pub sector: u8,
    /// Its key, checked when it was registered.
    pub key: KeyBytes,
    /// How well the key is protected; see `Assurance`.
    pub assurance: u8,
    /// Where it stands in its life.
    pub status: Status,
    /// Order of registration, from 0.
    pub index: u64,
    /// From this epoch its evidence counts.
    pub registered: Epoch,
    /// From this epoch its evidence no longer counts.
    pub end: Option<Epoch>,
    /// Derived from its position.
    pub cell: Cell,
    /// Where it stands.
    pub position: Position,
    /// Stones at stake.
    pub bond: Stones,
}

/// A key as it is stored: checking that it is a point of its curve costs more than all other reads together, so that
/// only who verifies a signature does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyBytes {
    /// 1 = Ed25519, 2 = P-256, 0 = none.
    pub kind: u8,
    /// Ed25519: 0 and the 32 bytes of the key; P-256: its 33 bytes.
    bytes: [u8; 33],
}

impl From<&PublicKey> for KeyBytes {
    fn from(key: &PublicKey) -> Self {
        let mut bytes = [0; 33];
        bytes[33 - key.as_bytes().len()..].copy_from_slice(key.as_bytes());
        Self { kind: key.key_type() as u8, bytes }
    }
}

impl KeyBytes {
    /// The key's own bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        if self.kind == KeyType::P256 as u8 { &self.bytes } else { &self.bytes[1..] }
    }

    /// The checked key.
    ///
    /// # Errors
    /// When nothing valid is stored.
    pub fn public(&self) -> Result<PublicKey, KeyError> {
        PublicKey::from_bytes(KeyType::from_u8(self.kind)?, self.as_bytes())
    }
}

impl Device {
    /// As the ABI shows it.
    #[must_use]
    pub fn to_abi(&self) -> IRegistry::Device {
        IRegistry::Device {
            id: FixedBytes(self.id.0),
            owner: self.owner,
            sector: self.sector,
            keyType: self.key.kind,
            assurance: self.assurance,
            status: self.status as u8,
            index: self.index,
            registeredEpoch: self.registered.0,
            endEpoch: self.end.map_or(0, |end| end.0),
            cell: self.cell.0,
            latE7: self.position.lat_e7,
            lonE7: self.position.lon_e7,
            elevationDm: self.position.elevation_dm,
            bond: U256::from(self.bond.0),
            publicKey: self.key.as_bytes().to_vec().into(),
        }
    }
}

impl Stored for Device {
    const SLOTS: usize = 4;

    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new()
            .address(self.owner)
            .u8(self.sector)
            .u8(self.key.kind)
            .u8(self.assurance)
            .u8(self.status as u8)
            .u64(self.registered.0)
            .word();
        words[1] = Packer::new()
            .u64(self.index)
            .u64(self.end.map_or(0, |end| end.0))
            .u64(self.cell.0)
            .i32(self.position.lat_e7)
            .i32(self.position.lon_e7)
            .word();
        words[2] = Packer::new()
            .i32(self.position.elevation_dm)
            .u128(self.bond.0)
            .u8(self.key.bytes[0])
            .word();
        words[3] = U256::from_be_slice(&self.key.bytes[1..]);
    }

    /// The id is the key of the mapping and not stored again: the caller sets it.
    fn from_words(words: &[U256]) -> Self {
        let (mut a, mut b, mut d) =
            (Unpacker::new(words[0]), Unpacker::new(words[1]), Unpacker::new(words[2]));
        let (owner, sector, kind, assurance) = (a.address(), a.u8(), a.u8(), a.u8());
        let (status, registered) = (Status::from_u8(a.u8()), Epoch(a.u64()));
        let (index, end, cell) = (b.u64(), b.u64(), Cell(b.u64()));
        let (lat_e7, lon_e7) = (b.i32(), b.i32());
        let (elevation_dm, bond) = (d.i32(), Stones(d.u128()));
        let mut bytes = [0; 33];
        bytes[0] = d.u8();
        bytes[1..].copy_from_slice(&words[3].to_be_bytes::<32>());
        Self {
            id: DeviceId([0; 16]),
            owner,
            sector,
            key: KeyBytes { kind, bytes },
            assurance,
            status,
            index,
            registered,
            end: (end != 0).then_some(Epoch(end)),
            cell,
            position: Position { lat_e7, lon_e7, elevation_dm },
            bond,
        }
    }
}
