//! What a proof is asked of: one JSON object, whose keys say the kind.

use alloy_primitives::{Address, B256, U64, U256};
use cairn_consensus::StateKey;
use cairn_primitives::{DeviceId, Digest, Epoch, Sector};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::rpc::errors::{Answer, PARAMS, error};

/// The last term of genesis' validators: what everyone knows who has the genesis file.
const FOUNDERS_LAST: u64 = 1;

/// The objects that are understood, for who sent another one.
const FORMS: &str = "ask for one of {\"account\"}, {\"address\", \"slot\"}, {\"transaction\"}, \
                     {\"transaction\", \"log\"}, {\"epoch\", \"sector\", \"device\"}, {\"epoch\", \"sector\", \"batch\"}, with or without \
                     the \"term\" whose validators you know";

/// What is to be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// An account or a slot.
    State(StateKey),
    /// A receipt, or one log of it.
    Receipt { transaction: B256, log: Option<u32> },
    /// A device's reward of an epoch.
    Reward { epoch: Epoch, sector: Sector, device: DeviceId },
    /// A batch of an epoch.
    Batch { epoch: Epoch, sector: Sector, leaf: Digest },
}

/// The newest term whose validators the asker knows.
pub(super) fn known_term(asked: &Value) -> Answer<u64> {
    match asked.as_object() {
        Some(object) if object.contains_key("term") => Fields(object).number("term"),
        _ => Ok(FOUNDERS_LAST),
    }
}

impl Asked {
    pub(super) fn parse(asked: &Value) -> Answer<Self> {
        let empty = Map::new();
        let object = asked.as_object().unwrap_or(&empty);
        let mut keys: Vec<&str> =
            object.keys().map(String::as_str).filter(|key| *key != "term").collect();
        keys.sort_unstable();
        let fields = Fields(object);
        Ok(match &keys[..] {
            ["account"] => Self::State(StateKey::Account(fields.address("account")?)),
            ["address", "slot"] => {
                let slot: U256 = fields.get("slot", "give a number of at most 32 bytes in hex")?;
                Self::State(StateKey::Slot(fields.address("address")?, slot))
            }
            ["transaction"] => Self::Receipt { transaction: fields.transaction()?, log: None },
            ["log", "transaction"] => {
                let log = fields.number("log")?;
                let log = u32::try_from(log).map_err(|_| {
                    error(PARAMS, format!("`log` is {log}: give its number in the receipt, from 0"))
                })?;
                Self::Receipt { transaction: fields.transaction()?, log: Some(log) }
            }
            ["device", "epoch", "sector"] => Self::Reward {
                epoch: Epoch(fields.number("epoch")?),
                sector: fields.sector()?,
                device: fields.get("device", "give its id, 16 bytes in hex")?,
            },
            ["batch", "epoch", "sector"] => Self::Batch {
                epoch: Epoch(fields.number("epoch")?),
                sector: fields.sector()?,
                leaf: fields.get("batch", "give SHA-256(0x00 ‖ envelope), 32 bytes in hex")?,
            },
            _unknown => {
                return Err(error(PARAMS, format!("{asked} names nothing: {FORMS}")).into());
            }
        })
    }
}

/// The object's fields, with errors that name them.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn get<T: DeserializeOwned>(&self, name: &str, fix: &str) -> Answer<T> {
        let value = &self.0[name];
        serde_json::from_value(value.clone())
            .map_err(|_| error(PARAMS, format!("`{name}` is {value}: {fix}")).into())
    }

    fn address(&self, name: &str) -> Answer<Address> {
        self.get(name, "give an address, 20 bytes in hex")
    }

    fn transaction(&self) -> Answer<B256> {
        self.get("transaction", "give a transaction's hash, 32 bytes in hex")
    }

    fn number(&self, name: &str) -> Answer<u64> {
        let number: U64 = self.get(name, "give a number, or a quantity in hex")?;
        Ok(number.to())
    }

    /// By name or number.
    fn sector(&self) -> Answer<Sector> {
        let value = &self.0["sector"];
        let named = |sector: &Sector| {
            value.as_str() == Some(sector.name())
                || value.as_u64() == Some(u64::from(sector.number()))
        };
        Sector::ALL.into_iter().find(named).ok_or_else(|| {
            let known: Vec<_> =
                Sector::ALL.iter().map(|s| format!("\"{}\" ({})", s.name(), s.number())).collect();
            error(PARAMS, format!("`sector` is {value}: give {}", known.join(", "))).into()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(asked: Value) -> Result<Asked, String> {
        Asked::parse(&asked).map_err(|failure| {
            assert_eq!(failure.0.code(), PARAMS);
            failure.0.message().to_owned()
        })
    }

    #[test]
    fn every_form_is_understood() {
        let (address, word) = (Address::repeat_byte(0xab), B256::repeat_byte(0xcd));
        let device = DeviceId([7; 16]);
        let (epoch, sector) = (Epoch(12), Sector::Sensing);
        for (asked, expected) in [
            (json!({"account": address}), Asked::State(StateKey::Account(address))),
            (
                json!({"address": address, "slot": "0x2a"}),
                Asked::State(StateKey::Slot(address, U256::from(42))),
            ),
            (
                json!({"address": address, "slot": word}),
                Asked::State(StateKey::Slot(address, word.into())),
            ),
            (json!({"transaction": word}), Asked::Receipt { transaction: word, log: None }),
            (
                json!({"transaction": word, "log": 3}),
                Asked::Receipt { transaction: word, log: Some(3) },
            ),
            (
                json!({"epoch": "0xc", "sector": "sensing", "device": device}),
                Asked::Reward { epoch, sector, device },
            ),
            (
                json!({"epoch": 12, "sector": 1, "batch": word}),
                Asked::Batch { epoch, sector, leaf: Digest(word.0) },
            ),
        ] {
            assert_eq!(parse(asked.clone()), Ok(expected), "{asked}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (asked, part) in [
            (json!("0x00"), "ask for one of"),
            (json!({}), "ask for one of"),
            (json!({"account": Address::ZERO, "slot": "0x0"}), "ask for one of"),
            (json!({"account": "0x12"}), "`account` is \"0x12\": give an address"),
            (json!({"address": Address::ZERO, "slot": "x"}), "`slot` is \"x\": give a number"),
            (json!({"transaction": 5}), "`transaction` is 5: give"),
            (json!({"transaction": B256::ZERO, "log": u64::MAX}), "`log` is 18446744073709551615"),
            (
                json!({"epoch": 1, "sector": "storage", "device": DeviceId([0; 16])}),
                "`sector` is \"storage\": give \"sensing\" (1)",
            ),
            (json!({"epoch": -1, "sector": 1, "device": DeviceId([0; 16])}), "`epoch` is -1: give"),
            (json!({"epoch": 1, "sector": 1, "batch": "0x"}), "`batch` is \"0x\": give SHA-256"),
        ] {
            let message = parse(asked.clone()).unwrap_err();
            assert!(message.contains(part), "{asked}: {message}");
        }
    }
}
