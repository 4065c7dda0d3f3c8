//! The leaves that validators vote on: a verdict for every batch, a score for every device. Bytes: docs/spec/leaves.md.
//!
//! Deterministic CBOR: fixed arrays, shortest integers. The Merkle leaf is SHA-256(0x00 ‖ bytes).

use cairn_primitives::{DeviceId, Digest, Epoch, Sector, Seq, Stream, leaf_hash};
use minicbor::{Decoder, Encoder, data::Type};
use serde::{Deserialize, Serialize};

use crate::Rejection;

const VERDICT: u8 = 1;
const SCORE: u8 = 2;

/// The verdict on one batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictLeaf {
    /// The epoch whose commitment contains the batch.
    pub epoch: Epoch,
    /// Its sector.
    pub sector: Sector,
    /// The batch: SHA-256(0x00 ‖ envelope).
    pub batch: Digest,
    /// The device it names.
    pub device: DeviceId,
    /// Its stream.
    pub stream: Stream,
    /// Its first sequence number.
    pub first_seq: Seq,
    /// Its number of rows.
    pub rows: u32,
    /// Why it was refused; `None` when accepted.
    pub rejection: Option<Rejection>,
}

/// The score of one device in one epoch, all factors per mille.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreLeaf {
    /// The epoch.
    pub epoch: Epoch,
    /// Its sector.
    pub sector: Sector,
    /// The device.
    pub device: DeviceId,
    /// A: availability and plausibility, 0…1000.
    pub availability: u16,
    /// N: agreement with neighbours, 0…1000.
    pub neighbour: u16,
    /// D: deployment, 0…1000.
    pub deployment: u16,
    /// L: location, 0…1000.
    pub location: u16,
    /// A · N · D · L / 10⁹ rounded down, or 0 when rejected.
    pub score: u16,
    /// The gate that set the score to 0; `None` when the hour is accepted.
    pub rejection: Option<Rejection>,
    /// The numbers behind the rejection.
    pub detail: Option<Detail>,
}

/// The numbers behind a score rejection; their meaning per rejection is listed in docs/spec/rejections.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// The field of the schema that decided, from 0.
    pub field: u8,
    /// What was found, in the field's scaled unit.
    pub value: i64,
    /// What would have been allowed.
    pub limit: i64,
    /// The other device, where there is one.
    pub other: Option<DeviceId>,
}

/// Bytes that are no leaf.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind} leaf: {reason}")]
pub struct LeafError {
    /// Which leaf was expected.
    pub kind: &'static str,
    /// What is wrong.
    pub reason: &'static str,
}

impl VerdictLeaf {
    /// The canonical bytes.
    ///
    /// # Panics
    /// Never: writing to a vector cannot fail.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::with_capacity(80));
        e.array(9)
            .and_then(|e| e.u8(VERDICT))
            .and_then(|e| e.u8(self.sector.number()))
            .and_then(|e| e.u64(self.epoch.0))
            .and_then(|e| e.bytes(&self.batch.0))
            .and_then(|e| e.bytes(&self.device.0))
            .and_then(|e| e.u16(self.stream.0))
            .and_then(|e| e.u64(self.first_seq.0))
            .and_then(|e| e.u32(self.rows))
            .and_then(|e| e.u16(Rejection::code_of(self.rejection)))
            .expect("a vector takes every byte");
        e.into_writer()
    }

    /// Reads canonical bytes back.
    ///
    /// # Errors
    /// When they are not exactly what `to_bytes` writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LeafError> {
        let fail = |reason| LeafError { kind: "verdict", reason };
        let leaf = Self::parse(bytes)
            .map_err(|_| fail("structure"))?
            .ok_or(fail("a number is unknown"))?;
        if leaf.to_bytes() == bytes { Ok(leaf) } else { Err(fail("not in deterministic encoding")) }
    }

    fn parse(bytes: &[u8]) -> Result<Option<Self>, minicbor::decode::Error> {
        let mut d = Decoder::new(bytes);
        if d.array()? != Some(9) || d.u8()? != VERDICT {
            return Ok(None);
        }
        let Some(sector) = Sector::from_u8(d.u8()?) else {
            return Ok(None);
        };
        let epoch = Epoch(d.u64()?);
        let Ok(batch) = d.bytes()?.try_into() else {
            return Ok(None);
        };
        let Ok(device) = d.bytes()?.try_into() else {
            return Ok(None);
        };
        let (stream, first_seq, rows) = (Stream(d.u16()?), Seq(d.u64()?), d.u32()?);
        let Some(rejection) = rejection(d.u16()?) else {
            return Ok(None);
        };
        let (batch, device) = (Digest(batch), DeviceId(device));
        Ok(Some(Self { epoch, sector, batch, device, stream, first_seq, rows, rejection }))
    }

    /// The Merkle leaf.
    #[must_use]
    pub fn hash(&self) -> Digest {
        leaf_hash(&self.to_bytes())
    }
}

impl ScoreLeaf {
    /// The canonical bytes.
    ///
    /// # Panics
    /// Never: writing to a vector cannot fail.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::with_capacity(64));
        self.encode(&mut e).expect("a vector takes every byte");
        e.into_writer()
    }

    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.array(11)?
            .u8(SCORE)?
            .u8(self.sector.number())?
            .u64(self.epoch.0)?
            .bytes(&self.device.0)?;
        e.u16(self.availability)?.u16(self.neighbour)?.u16(self.deployment)?.u16(self.location)?;
        e.u16(self.score)?.u16(Rejection::code_of(self.rejection))?;
        match &self.detail {
            None => e.null()?,
            Some(detail) => {
                e.array(4)?.u8(detail.field)?.i64(detail.value)?.i64(detail.limit)?;
                match detail.other {
                    None => e.null()?,
                    Some(other) => e.bytes(&other.0)?,
                }
            }
        };
        Ok(())
    }

    /// Reads canonical bytes back.
    ///
    /// # Errors
    /// When they are not exactly what `to_bytes` writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LeafError> {
        let fail = |reason| LeafError { kind: "score", reason };
        let leaf = Self::parse(bytes)
            .map_err(|_| fail("structure"))?
            .ok_or(fail("a number is unknown"))?;
        if leaf.to_bytes() == bytes { Ok(leaf) } else { Err(fail("not in deterministic encoding")) }
    }

    fn parse(bytes: &[u8]) -> Result<Option<Self>, minicbor::decode::Error> {
        let mut d = Decoder::new(bytes);
        if d.array()? != Some(11) || d.u8()? != SCORE {
            return Ok(None);
        }
        let Some(sector) = Sector::from_u8(d.u8()?) else {
            return Ok(None);
        };
        let epoch = Epoch(d.u64()?);
        let Ok(device) = d.bytes()?.try_into() else {
            return Ok(None);
        };
        let (availability, neighbour, deployment, location) =
            (d.u16()?, d.u16()?, d.u16()?, d.u16()?);
        let score = d.u16()?;
        let Some(rejection) = rejection(d.u16()?) else {
            return Ok(None);
        };
        let detail = if d.datatype()? == Type::Null {
            d.null()?;
            None
        } else {
            let Some(detail) = parse_detail(&mut d)? else {
                return Ok(None);
            };
            Some(detail)
        };
        let device = DeviceId(device);
        Ok(Some(Self {
            epoch,
            sector,
            device,
            availability,
            neighbour,
            deployment,
            location,
            score,
            rejection,
            detail,
        }))
    }

    /// The Merkle leaf.
    #[must_use]
    pub fn hash(&self) -> Digest {
        leaf_hash(&self.to_bytes())
    }
}

fn parse_detail(d: &mut Decoder<'_>) -> Result<Option<Detail>, minicbor::decode::Error> {
    if d.array()? != Some(4) {
        return Ok(None);
    }
    let (field, value, limit) = (d.u8()?, d.i64()?, d.i64()?);
    let other = if d.datatype()? == Type::Null {
        d.null()?;
        None
    } else {
        let Ok(id) = d.bytes()?.try_into() else {
            return Ok(None);
        };
        Some(DeviceId(id))
    };
    Ok(Some(Detail { field, value, limit, other }))
}

/// `Some(None)` for 0, `None` for an unknown number.
fn rejection(code: u16) -> Option<Option<Rejection>> {
    if code == 0 { Some(None) } else { Rejection::from_code(code).map(Some) }
}
