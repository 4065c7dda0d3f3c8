//! Why evidence is refused: one numbered list, shown to the person who is not paid. Table: docs/spec/rejections.md.
//!
//! Numbers are wire format, never reused. Declaration order is precedence: the first that applies is the verdict.
//! 1–99 refuse a batch (any sector), 100–199 gate a device's score in sensing.

use cairn_primitives::EnvelopeError;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeStruct as _,
};

macro_rules! rejections {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Why a batch or a device's hour is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Rejection { $($(#[$doc])* $name = $code),* }

        impl Rejection {
            /// Every rejection, in precedence order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code),* }
            }
            /// The name in JSON, `CamelCase`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
            /// One sentence for people: what happened.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }
            /// The rejection with this number.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

rejections! {
    /// Larger than `BATCH_BYTES_MAX`.
    Oversized = 1, "the envelope is larger than 65,536 bytes";
    /// Truncated, trailing bytes, or another structure.
    Malformed = 2, "the bytes are no COSE_Sign1 envelope of a batch";
    /// Neither EdDSA nor ES256.
    UnknownAlgorithm = 3, "the signature algorithm is neither EdDSA nor ES256";
    /// The signature is not 64 bytes.
    Unsigned = 4, "the envelope carries no 64-byte signature";
    /// A batch version this network does not know.
    UnknownVersion = 5, "the batch version is unknown";
    /// A schema that is not registered.
    UnknownSchema = 6, "the schema is not registered";
    /// No rows, too many, or not strictly increasing in time.
    BadRows = 7, "the rows are none, too many, or not strictly increasing in time";
    /// Valid CBOR, but not the one allowed encoding.
    NotCanonical = 8, "the envelope is not in deterministic encoding";
    /// No such device in the registry.
    UnknownDevice = 9, "the device is not registered";
    /// Signed with another algorithm than the device's key.
    WrongKeyType = 10, "the signature algorithm is not that of the device's key";
    /// Not signed by the device's key.
    BadSignature = 11, "the signature is not by the device's key";
    /// Before its registration, or after it left or was slashed.
    NotActive = 12, "the device is not in service in this epoch";
    /// The anchor names an epoch that has not begun.
    AnchorFromFuture = 13, "the anchor is later than the epoch";
    /// The anchor is older than the window.
    AnchorTooOld = 14, "the anchor is older than 26 epochs";
    /// The anchor's root is not on the ledger.
    AnchorUnknown = 15, "the anchor's root prefix is not that of the ledger";
    /// A reading more than seven days before the epoch.
    BackDated = 16, "a reading is more than 7 days older than the epoch";
    /// A reading after the epoch's end.
    FutureDated = 17, "a reading is later than the epoch's end";
    /// Measured further from the registered place than a fixed device may be.
    Moved = 18, "the device is more than 1,000 m from its registered place";
    /// The same bytes again in the same epoch.
    Duplicate = 19, "the same batch is already in this epoch";
    /// The same bytes as in an earlier epoch.
    Replayed = 20, "the same batch was accepted in an earlier epoch";
    /// Another batch signed for the same sequence numbers.
    Equivocation = 21, "another batch is signed for the same sequence numbers";
    /// Sequence numbers do not rise.
    SequenceNotIncreasing = 22, "the sequence number is not above the highest accepted one";
    /// The device delivered nothing for the epoch.
    Silent = 100, "no accepted reading in this epoch";
    /// A value that cannot be.
    OutOfBounds = 101, "a value is outside what the parameter can be";
    /// A value changed faster than nature does.
    Jump = 102, "a value changed more between two hours than nature does";
    /// Every value, or one while all neighbours moved, stays the same.
    Frozen = 103, "values stay the same for hours while the weather moves";
    /// Implausibly like a device registered earlier.
    CopiedFeed = 104, "the readings repeat those of a device registered earlier";
    /// The readings fit the neighbours only when moved in time.
    TimeShifted = 105, "the readings fit the neighbours only when moved by hours";
    /// A persistent offset from the neighbours.
    NeighbourOffset = 106, "the readings keep a constant distance from all neighbours";
    /// The device stands indoors or in permanent shade.
    Indoor = 107, "the readings are those of a sensor indoors";
}

impl Rejection {
    /// What a JSON view says of something that is not rejected.
    pub const ACCEPTED: &'static str = "Accepted";

    /// The number in a leaf: 0 for nothing.
    #[must_use]
    pub fn code_of(rejection: Option<Self>) -> u16 {
        rejection.map_or(0, Self::code)
    }

    /// The name for JSON: `Accepted` for nothing.
    #[must_use]
    pub fn name_of(rejection: Option<Self>) -> &'static str {
        rejection.map_or(Self::ACCEPTED, Self::name)
    }
}

impl From<&EnvelopeError> for Rejection {
    fn from(error: &EnvelopeError) -> Self {
        match error {
            EnvelopeError::Oversized(_) => Self::Oversized,
            EnvelopeError::Malformed(_) => Self::Malformed,
            EnvelopeError::NotCanonical => Self::NotCanonical,
            EnvelopeError::UnknownAlgorithm => Self::UnknownAlgorithm,
            EnvelopeError::Unsigned(_) => Self::Unsigned,
            EnvelopeError::UnknownVersion(_) => Self::UnknownVersion,
            EnvelopeError::UnknownSchema(_) => Self::UnknownSchema,
            EnvelopeError::BadRows(_) => Self::BadRows,
        }
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for Rejection {}

/// `{"code": 11, "name": "BadSignature"}`.
impl Serialize for Rejection {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut out = s.serialize_struct("Rejection", 2)?;
        out.serialize_field("code", &self.code())?;
        out.serialize_field("name", self.name())?;
        out.end()
    }
}

impl<'de> Deserialize<'de> for Rejection {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct View {
            code: u16,
        }
        let code = View::deserialize(d)?.code;
        Self::from_code(code).ok_or_else(|| D::Error::custom(format!("{code} is no rejection")))
    }
}
