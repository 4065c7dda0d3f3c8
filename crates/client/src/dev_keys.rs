//! The keys of a devnet, derived from a seed and a label: two runs with one seed have the same accounts and devices.
//!
//! Never for a real network: whoever knows the seed has every key. Derivation: docs/spec/wallet.md §4.

use cairn_primitives::{Digest, SecretKey};

use crate::{Wallet, wallet::WalletError};

const DOMAIN: &[u8] = b"cairn/devnet-key/v1";

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A validator's account or consensus key.
    Validator,
    /// An ingest's account or receipt key.
    Ingest,
    /// An owner's account.
    Owner,
    /// A device's key.
    Device,
    /// A gateway's account.
    Gateway,
    /// A consumer's account.
    Consumer,
    /// The founder's account: it pays what nobody else does at the start.
    Founder,
}

impl Role {
    /// Its name in the derivation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::Ingest => "ingest",
            Self::Owner => "owner",
            Self::Device => "device",
            Self::Gateway => "gateway",
            Self::Consumer => "consumer",
            Self::Founder => "founder",
        }
    }
}

/// All keys of one devnet.
#[derive(Clone)]
pub struct DevKeys {
    seed: Vec<u8>,
}

impl std::fmt::Debug for DevKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DevKeys")
    }
}

impl DevKeys {
    /// The keys of the devnet with this seed.
    #[must_use]
    pub fn new(seed: impl Into<Vec<u8>>) -> Self {
        Self { seed: seed.into() }
    }

    /// 32 bytes: SHA-256(domain ‖ len(seed) ‖ seed ‖ kind ‖ 0 ‖ role ‖ 0 ‖ label ‖ counter).
    fn bytes(&self, kind: &str, role: Role, label: &str, counter: u8) -> [u8; 32] {
        let length = u64::try_from(self.seed.len()).unwrap_or(u64::MAX).to_be_bytes();
        let name = role.name().as_bytes();
        let parts: [&[u8]; 9] = [
            DOMAIN,
            &length,
            &self.seed,
            kind.as_bytes(),
            &[0],
            name,
            &[0],
            label.as_bytes(),
            &[counter],
        ];
        Digest::of(&parts).0
    }

    /// The account of `label` in `role`.
    ///
    /// # Panics
    /// Never: of 256 hashes at least one is below the order of the curve.
    #[must_use]
    pub fn wallet(&self, role: Role, label: &str) -> Wallet {
        (0..=u8::MAX)
            .find_map(|counter| -> Option<Wallet> {
                let made: Result<Wallet, WalletError> =
                    Wallet::from_secret(&self.bytes("account", role, label, counter));
                made.ok()
            })
            .expect("the chance that one hash is no key is below 2^-127")
    }

    /// The Ed25519 seed of `label` in `role`: device keys, consensus keys, receipt keys.
    #[must_use]
    pub fn ed25519_seed(&self, role: Role, label: &str) -> [u8; 32] {
        self.bytes("ed25519", role, label, 0)
    }

    /// The Ed25519 key of `label` in `role`.
    #[must_use]
    pub fn ed25519(&self, role: Role, label: &str) -> SecretKey {
        SecretKey::ed25519(self.ed25519_seed(role, label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_from_seed_role_and_label() {
        let keys = DevKeys::new("seed");
        let owner = keys.wallet(Role::Owner, "a").address();
        assert_eq!(owner, DevKeys::new("seed").wallet(Role::Owner, "a").address());
        assert_ne!(owner, keys.wallet(Role::Owner, "b").address());
        assert_ne!(owner, keys.wallet(Role::Consumer, "a").address());
        assert_ne!(owner, DevKeys::new("other").wallet(Role::Owner, "a").address());
        assert_ne!(keys.ed25519_seed(Role::Device, "a"), keys.ed25519_seed(Role::Ingest, "a"));
        assert_eq!(format!("{keys:?}"), "DevKeys");
    }
}
