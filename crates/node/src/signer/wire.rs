//! The bytes between a validator and who holds its key.
//!
//! ```text
//! frame    length u32 ‖ body                         at most 64 KiB, big-endian
//! request  version u8 = 1 ‖ kind u8 ‖ fields
//! reply    0 u8 ‖ answer                             or  number of the refusal u8 ‖ words
//! ```

use std::io::{self, Read, Write};

use alloy_primitives::Address;
use cairn_consensus::{Proposed, VoteAsk};

/// Version of the requests.
const VERSION: u8 = 1;
/// Largest frame: a handshake is a few hundred bytes.
const FRAME_BYTES_MAX: u32 = 64 * 1024;

/// What is asked of the holder of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Which key, and of which network: 32 + 32 bytes.
    Who,
    /// A signature for a peer: 64 bytes.
    Hello {
        /// The domain.
        domain: Vec<u8>,
        /// What is signed in it.
        message: Vec<u8>,
    },
    /// A signature of a vote: 64 bytes.
    Vote(VoteAsk),
    /// What the key has for a turn: 80 bytes.
    Reveal {
        /// The term.
        term: u64,
        /// The view.
        view: u64,
    },
    /// The proof that the key is this operator's: 64 bytes.
    Possession(Address),
    /// How the signer is (`SignerStatus`).
    Status,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The answer.
    Done(Vec<u8>),
    /// A refusal.
    Refused {
        /// Its number (`Refusal`), not 0.
        number: u8,
        /// In words.
        reason: String,
    },
}

/// Why bytes are no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// They end too early, or go on too long.
    #[error("a request of another length than its kind has")]
    Length,
    /// A version that is not spoken here.
    #[error("version {0} of the protocol, not 1")]
    Version(u8),
    /// No kind has this number.
    #[error("no request has the kind {0}")]
    Kind(u8),
}

/// Reads fields from the front.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(WireError::Length)?;
        self.0 = rest;
        Ok(*field)
    }

    pub(super) fn number(&mut self) -> Result<u64, WireError> {
        self.take().map(u64::from_be_bytes)
    }

    /// Bytes after their length as u16.
    fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::from(u16::from_be_bytes(self.take()?));
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(WireError::Length)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn proposed(&mut self) -> Result<Proposed, WireError> {
        let (term, view, parent) = (self.number()?, self.number()?, self.number()?);
        Ok(Proposed { term, view, parent, block: self.take()? })
    }

    pub(super) fn end(self) -> Result<(), WireError> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError::Length) }
    }
}

impl Request {
    /// Its body.
    ///
    /// # Errors
    /// `Length` of a domain or a message of more than 64 KiB.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut body = vec![VERSION];
        match self {
            Self::Who => body.push(0),
            Self::Hello { domain, message } => {
                body.push(1);
                for bytes in [domain, message] {
                    let length = u16::try_from(bytes.len()).map_err(|_| WireError::Length)?;
                    body.extend_from_slice(&length.to_be_bytes());
                    body.extend_from_slice(bytes);
                }
            }
            Self::Vote(ask) => {
                body.push(2);
                encode_vote(&mut body, ask);
            }
            Self::Reveal { term, view } => {
                body.push(3);
                body.extend_from_slice(&term.to_be_bytes());
                body.extend_from_slice(&view.to_be_bytes());
            }
            Self::Possession(operator) => {
                body.push(4);
                body.extend_from_slice(operator.as_slice());
            }
            Self::Status => body.push(5),
        }
        Ok(body)
    }

    /// The request of a body.
    ///
    /// # Errors
    /// See `WireError`.
    pub fn decode(body: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields(body);
        let [version, kind] = fields.take()?;
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        let request = match kind {
            0 => Self::Who,
            1 => {
                let (domain, message) = (fields.bytes()?.to_vec(), fields.bytes()?.to_vec());
                Self::Hello { domain, message }
            }
            2 => Self::Vote(decode_vote(&mut fields)?),
            3 => Self::Reveal { term: fields.number()?, view: fields.number()? },
            4 => Self::Possession(Address::from(fields.take::<20>()?)),
            5 => Self::Status,
            other => return Err(WireError::Kind(other)),
        };
        fields.end()?;
        Ok(request)
    }
}

fn encode_vote(body: &mut Vec<u8>, ask: &VoteAsk) {
    let mut put = |kind: u8, numbers: &[u64], block: &[u8]| {
        body.push(kind);
        for number in numbers {
            body.extend_from_slice(&number.to_be_bytes());
        }
        body.extend_from_slice(block);
    };
    match ask {
        VoteAsk::Notarize(p) => put(0, &[p.term, p.view, p.parent], &p.block),
        VoteAsk::Nullify { term, view } => put(1, &[*term, *view], &[]),
        VoteAsk::Finalize(p) => put(2, &[p.term, p.view, p.parent], &p.block),
    }
}

fn decode_vote(fields: &mut Fields<'_>) -> Result<VoteAsk, WireError> {
    let [kind] = fields.take()?;
    Ok(match kind {
        0 => VoteAsk::Notarize(fields.proposed()?),
        1 => VoteAsk::Nullify { term: fields.number()?, view: fields.number()? },
        2 => VoteAsk::Finalize(fields.proposed()?),
        other => return Err(WireError::Kind(other)),
    })
}

impl Reply {
    /// Its body.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Done(answer) => [&[0], answer.as_slice()].concat(),
            Self::Refused { number, reason } => [&[*number], reason.as_bytes()].concat(),
        }
    }

    /// The reply of a body; `None` of an empty one.
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let (number, rest) = body.split_first()?;
        Some(match number {
            0 => Self::Done(rest.to_vec()),
            number => {
                let reason = String::from_utf8_lossy(rest).into_owned();
                Self::Refused { number: *number, reason }
            }
        })
    }
}

/// Sends a body in its frame.
pub(super) fn send(to: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= FRAME_BYTES_MAX);
    let length = length.ok_or(io::ErrorKind::InvalidInput)?;
    to.write_all(&[&length.to_be_bytes(), body].concat())?;
    to.flush()
}

/// Receives a body; nothing is allocated before its length is known to be small.
pub(super) fn receive(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    Ok(body)
}
