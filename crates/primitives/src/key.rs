//! Device keys: Ed25519 and P-256, and nothing else.
//!
//! Verification decides money, so it is strict: Ed25519 refuses small-order keys and non-canonical signatures
//! (`verify_strict`), P-256 takes the fixed 64-byte form only.

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    },
};
use ed25519_dalek::Signer as _;

/// The kind of a device key. The numbers are wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeyType {
    /// Ed25519, 32-byte public key, COSE algorithm EdDSA (−8).
    Ed25519 = 1,
    /// ECDSA over P-256 with SHA-256, 33-byte compressed public key, COSE algorithm ES256 (−7).
    P256 = 2,
}

/// How well a device key is protected. It caps what a device can weigh, never whether its evidence is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Assurance {
    /// A secure element with the vendor's certificate chain.
    SecureElement = 1,
    /// A software key with platform attestation.
    Attested = 2,
    /// A bare key.
    Bare = 3,
}

/// A signature: 64 bytes for both key types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The number names no key type.
    #[error("key type {0} is unknown: 1 is Ed25519, 2 is P-256")]
    UnknownType(u8),
    /// The bytes are no key of that type.
    #[error("{length} bytes are no {key_type:?} public key")]
    BadKey {
        /// The type asked for.
        key_type: KeyType,
        /// Number of bytes given.
        length: usize,
    },
    /// The bytes are no secret key of that type.
    #[error("the bytes are no {0:?} secret key")]
    BadSecret(KeyType),
    /// The system gave no randomness or refused to sign.
    #[error("{0:?} signing failed")]
    Signing(KeyType),
}

/// A checked public key.
#[derive(Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// Ed25519.
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
    /// P-256, compressed.
    P256([u8; 33]),
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:0x{}", self.key_type(), hex::encode(self.as_bytes()))
    }
}

impl KeyType {
    /// The key type with this number.
    ///
    /// # Errors
    /// When the number names none.
    pub const fn from_u8(number: u8) -> Result<Self, KeyError> {
        match number {
            1 => Ok(Self::Ed25519),
            2 => Ok(Self::P256),
            other => Err(KeyError::UnknownType(other)),
        }
    }
}

impl PublicKey {
    /// Checks the bytes of a public key.
    ///
    /// # Errors
    /// When they are no point of the curve, in the one encoding that is allowed.
    pub fn from_bytes(key_type: KeyType, bytes: &[u8]) -> Result<Self, KeyError> {
        let bad = || KeyError::BadKey { key_type, length: bytes.len() };
        match key_type {
            KeyType::Ed25519 => {
                let bytes: [u8; 32] = bytes.try_into().map_err(|_| bad())?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| bad())?;
                if key.is_weak() {
                    return Err(bad());
                }
                Ok(Self::Ed25519(Box::new(key)))
            }
            KeyType::P256 => {
                let key: [u8; 33] = bytes.try_into().map_err(|_| bad())?;
                aws_lc_rs::signature::ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
                    .map_err(|_| bad())?;
                Ok(Self::P256(key))
            }
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        match self {
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::P256(_) => KeyType::P256,
        }
    }

    /// Its bytes: 32 or 33.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(key) => key.as_bytes(),
            Self::P256(bytes) => bytes,
        }
    }

    /// Whether `signature` over `message` is by this key.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        match self {
            Self::Ed25519(key) => key
                .verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0))
                .is_ok(),
            Self::P256(bytes) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes)
                .verify(message, &signature.0)
                .is_ok(),
        }
    }
}

/// A device's secret key. Debug output never shows it.
pub enum SecretKey {
    /// Ed25519.
    Ed25519(Box<ed25519_dalek::SigningKey>),
    /// P-256.
    P256(Box<EcdsaKeyPair>),
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({:?})", self.public())
    }
}

impl SecretKey {
    /// An Ed25519 key from its 32-byte seed.
    #[must_use]
    pub fn ed25519(seed: [u8; 32]) -> Self {
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// A P-256 key from its PKCS#8 form.
    ///
    /// # Errors
    /// When the bytes are no such key.
    pub fn p256_pkcs8(pkcs8: &[u8]) -> Result<Self, KeyError> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map(|pair| Self::P256(Box::new(pair)))
            .map_err(|_| KeyError::BadSecret(KeyType::P256))
    }

    /// The public half.
    ///
    /// # Panics
    /// Never: a key pair always has a valid public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => PublicKey::Ed25519(Box::new(key.verifying_key())),
            Self::P256(pair) => PublicKey::P256(compress(pair.public_key().as_ref())),
        }
    }

    /// Signs `message`. Ed25519 is deterministic; P-256 draws its nonce from the system.
    ///
    /// # Errors
    /// When P-256 signing fails inside the library.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        match self {
            Self::Ed25519(key) => Ok(Signature(key.sign(message).to_bytes())),
            Self::P256(pair) => {
                let signed = pair
                    .sign(&SystemRandom::new(), message)
                    .map_err(|_| KeyError::Signing(KeyType::P256))?;
                let bytes =
                    signed.as_ref().try_into().map_err(|_| KeyError::Signing(KeyType::P256))?;
                Ok(Signature(bytes))
            }
        }
    }
}

/// The compressed form of an uncompressed SEC1 point (0x04 ‖ x ‖ y).
fn compress(point: &[u8]) -> [u8; 33] {
    let mut out = [0; 33];
    out[0] = 2 + (point[64] & 1);
    out[1..].copy_from_slice(&point[1..33]);
    out
}
