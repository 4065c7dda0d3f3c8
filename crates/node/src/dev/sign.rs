//! What the development accounts sign beside transactions: messages (EIP-191) and typed data (EIP-712), byte for byte as a
//! wallet does, so that suites of permits and of logins by signature need no keys of their own.

use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, B256, eip191_hash_message, keccak256};
use serde_json::Value;

use super::{DevChain, DevError};

/// The type of a domain, which a request may spell out.
const DOMAIN: &str = "EIP712Domain";

impl DevChain {
    /// Signs a message: r ‖ s ‖ v, v being 27 or 28.
    ///
    /// # Errors
    /// When no key of the account is here.
    pub(super) fn sign_message(
        &self,
        account: Address,
        message: &[u8],
    ) -> Result<[u8; 65], DevError> {
        self.sign_hash(account, eip191_hash_message(message))
    }

    /// Signs typed data, which comes as an object or as its JSON text: r ‖ s ‖ v, v being 27 or 28.
    ///
    /// # Errors
    /// When no key of the account is here, or the value is not of the types that come with it.
    pub(super) fn sign_typed(&self, account: Address, data: Value) -> Result<[u8; 65], DevError> {
        self.sign_hash(account, typed_hash(data)?)
    }

    fn sign_hash(&self, account: Address, hash: B256) -> Result<[u8; 65], DevError> {
        let wallet = self.wallets().iter().find(|wallet| wallet.address() == account);
        let wallet = wallet.ok_or(DevError::UnknownAccount(account))?;
        Ok(wallet.sign_hash(&hash)?.as_bytes())
    }
}

/// keccak256(0x19 0x01 ‖ hash of the domain ‖ hash of the message); without the message when the domain itself is signed.
///
/// The domain is hashed by the fields that `types.EIP712Domain` names, in its order, as viem and MetaMask do; only where a
/// request leaves them out by those that the domain has.
fn typed_hash(data: Value) -> Result<B256, DevError> {
    let unreadable = |error: serde_json::Error| DevError::TypedData(error.to_string());
    let data = match data {
        Value::String(text) => serde_json::from_str(&text).map_err(unreadable)?,
        object => object,
    };
    let named = data["types"].get(DOMAIN).is_some();
    let domain = data["domain"].clone();
    let typed: TypedData = serde_json::from_value(data).map_err(unreadable)?;
    let mut preimage = vec![0x19, 0x01];
    if named {
        let primary_type = DOMAIN.to_owned();
        let domain = TypedData { primary_type, message: domain, ..typed.clone() };
        preimage.extend_from_slice(hash_struct(&domain)?.as_slice());
    } else {
        preimage.extend_from_slice(typed.domain.separator().as_slice());
    }
    if typed.primary_type != DOMAIN {
        preimage.extend_from_slice(hash_struct(&typed)?.as_slice());
    }
    Ok(keccak256(preimage))
}

fn hash_struct(typed: &TypedData) -> Result<B256, DevError> {
    typed.hash_struct().map_err(|error| DevError::TypedData(error.to_string()))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::b256;
    use serde_json::json;

    use super::*;

    /// The example of EIP-712, whose hash the page gives.
    fn mail() -> Value {
        json!({
            "types": {
                "EIP712Domain": [
                    { "name": "name", "type": "string" }, { "name": "version", "type": "string" },
                    { "name": "chainId", "type": "uint256" },
                    { "name": "verifyingContract", "type": "address" },
                ],
                "Person": [
                    { "name": "name", "type": "string" }, { "name": "wallet", "type": "address" },
                ],
                "Mail": [
                    { "name": "from", "type": "Person" }, { "name": "to", "type": "Person" },
                    { "name": "contents", "type": "string" },
                ],
            },
            "primaryType": "Mail",
            "domain": {
                "name": "Ether Mail", "version": "1", "chainId": 1,
                "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
            },
            "message": {
                "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
                "to": { "name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
                "contents": "Hello, Bob!",
            },
        })
    }

    const MAIL: B256 = b256!("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");

    #[test]
    fn the_example_of_the_eip_has_its_hash_as_object_and_as_text() {
        assert_eq!(typed_hash(mail()).unwrap(), MAIL);
        assert_eq!(typed_hash(Value::String(mail().to_string())).unwrap(), MAIL);
        let mut bare = mail();
        bare["types"].as_object_mut().unwrap().remove(DOMAIN);
        assert_eq!(typed_hash(bare).unwrap(), MAIL, "the domain's fields name themselves");
    }

    #[test]
    fn the_types_say_which_fields_a_domain_has() {
        let mut short = mail();
        short["types"][DOMAIN].as_array_mut().unwrap().truncate(1);
        let mut bare = short.clone();
        bare["domain"] = json!({ "name": "Ether Mail" });
        assert_eq!(typed_hash(short.clone()).unwrap(), typed_hash(bare).unwrap());
        assert_ne!(typed_hash(short).unwrap(), MAIL);
    }

    #[test]
    fn numbers_come_in_every_spelling() {
        for chain in [json!("1"), json!("0x1"), json!(1)] {
            let mut spelt = mail();
            spelt["domain"]["chainId"] = chain;
            assert_eq!(typed_hash(spelt).unwrap(), MAIL);
        }
    }

    #[test]
    fn what_is_not_of_its_types_is_refused() {
        let refused = |change: fn(&mut Value)| {
            let mut data = mail();
            change(&mut data);
            typed_hash(data).unwrap_err().to_string()
        };
        let missing = refused(|data| data["message"] = json!({ "contents": "" }));
        assert!(missing.starts_with("typed data: "), "{missing}");
        refused(|data| data["primaryType"] = json!("Letter"));
        refused(|data| data["message"]["from"]["wallet"] = json!("Cow"));
        refused(|data| data["domain"] = json!({}));
        typed_hash(Value::String("{".to_owned())).unwrap_err();
        typed_hash(Value::Null).unwrap_err();
    }
}
