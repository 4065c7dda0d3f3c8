//! What test suites ask of a development chain beside the usual methods: `evm_*` and `hardhat_*`, with the `anvil_*` names.
//!
//! Answers have the shapes of Hardhat's network, which Hardhat's own helpers, viem's test client, ethers suites and `cast rpc`
//! understand.

use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_rpc_types_eth::TransactionRequest;
use jsonrpsee::{
    Methods, RpcModule,
    core::RpcResult,
    types::{ErrorObjectOwned, Params},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DevChain, DevError};
use crate::rpc::errors::{Failure, PARAMS, SERVER, error, internal};

/// The client's name. Hardhat's network helpers, and OpenZeppelin's plugins, change a chain only if its name begins with that
/// of a development chain which they know, so that nobody changes a network by mistake.
const CLIENT: &str = concat!("anvil/cairn-", env!("CARGO_PKG_VERSION"));

impl From<DevError> for ErrorObjectOwned {
    fn from(failure: DevError) -> Self {
        match failure {
            DevError::Disk(failure) => Failure::from(failure).into(),
            DevError::State(failure) => internal(&failure),
            DevError::Pool(rejection) => Failure::from(rejection).into(),
            DevError::Call(failure) => Failure::from(failure).into(),
            wrong @ (DevError::TypedData(_) | DevError::BlockGas { .. }) => {
                error(PARAMS, wrong.to_string())
            }
            other => error(SERVER, other.to_string()),
        }
    }
}

/// A number as clients send it: a JSON number, or text in decimal or hex.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Text(String),
}

impl Number {
    fn get(&self) -> RpcResult<u64> {
        match self {
            Self::Plain(number) => Ok(*number),
            Self::Text(text) => {
                let parsed = match text.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16).ok(),
                    None => text.parse().ok(),
                };
                parsed.ok_or_else(|| error(PARAMS, format!("`{text}` is no number")))
            }
        }
    }
}

/// The first parameter, which must be there.
fn one<'a, T: Deserialize<'a>>(params: &'a Params<'_>) -> RpcResult<T> {
    params.sequence().next()
}

/// The first parameter as a number, if there is one.
fn number(params: &Params<'_>) -> RpcResult<Option<u64>> {
    let first: Option<Number> = params.sequence().optional_next()?;
    first.map(|number| number.get()).transpose()
}

/// What a method does with its parameters.
type Handler = fn(&DevChain, &Params<'_>) -> RpcResult<Value>;

/// Every method with its names.
const METHODS: &[(&[&str], Handler)] = &[
    (&["eth_accounts"], |chain, _| Ok(json!(chain.accounts()))),
    (&["eth_sendRawTransaction"], |chain, params| {
        Ok(json!(chain.send_raw(&one::<Bytes>(params)?)?))
    }),
    (&["eth_sendTransaction"], |chain, params| {
        Ok(json!(chain.send(&one::<TransactionRequest>(params)?)?))
    }),
    (&["eth_sign"], |chain, params| {
        let (account, message): (Address, Bytes) = params.parse()?;
        Ok(json!(Bytes::from(chain.sign_message(account, &message)?)))
    }),
    (&["personal_sign"], |chain, params| {
        let mut params = params.sequence();
        let (message, account): (Bytes, Address) = (params.next()?, params.next()?);
        Ok(json!(Bytes::from(chain.sign_message(account, &message)?)))
    }),
    (&["eth_signTypedData_v4"], |chain, params| {
        let (account, data): (Address, Value) = params.parse()?;
        Ok(json!(Bytes::from(chain.sign_typed(account, data)?)))
    }),
    (&["web3_clientVersion"], |_, _| Ok(json!(CLIENT))),
    (&["evm_mine", "anvil_mine_one"], mine),
    (&["hardhat_mine", "anvil_mine"], mine_many),
    (&["evm_snapshot", "anvil_snapshot"], |chain, _| Ok(json!(U64::from(chain.snapshot()?)))),
    (&["evm_revert", "anvil_revert"], |chain, params| {
        let id = one::<Number>(params)?.get()?;
        Ok(json!(chain.revert(id)?))
    }),
    (&["hardhat_reset", "anvil_reset"], |chain, _| {
        chain.reset()?;
        Ok(json!(true))
    }),
    (&["evm_increaseTime", "anvil_increaseTime"], |chain, params| {
        let seconds = one::<Number>(params)?.get()?;
        Ok(json!(chain.increase_time(seconds)?))
    }),
    (&["evm_setNextBlockTimestamp", "anvil_setNextBlockTimestamp"], |chain, params| {
        chain.set_next_time(one::<Number>(params)?.get()?)?;
        Ok(Value::Null)
    }),
    (&["evm_setAutomine", "anvil_setAutoMine"], |chain, params| {
        chain.set_automine(one(params)?);
        Ok(json!(true))
    }),
    (&["hardhat_getAutomine", "anvil_getAutomine"], |chain, _| Ok(json!(chain.automine()))),
    (&["evm_setIntervalMining", "anvil_setIntervalMining"], |chain, params| {
        chain.set_interval(one::<Number>(params)?.get()?);
        Ok(json!(true))
    }),
    (&["hardhat_setBalance", "anvil_setBalance"], |chain, params| {
        let (account, balance): (Address, U256) = params.parse()?;
        chain.change_account(account, |changed| changed.balance = balance)?;
        Ok(json!(true))
    }),
    (&["hardhat_setNonce", "anvil_setNonce"], |chain, params| {
        let (account, nonce): (Address, Number) = params.parse()?;
        let nonce = nonce.get()?;
        chain.change_account(account, |changed| changed.nonce = nonce)?;
        Ok(json!(true))
    }),
    (&["hardhat_setCode", "anvil_setCode"], set_code),
    (&["hardhat_setStorageAt", "anvil_setStorageAt"], |chain, params| {
        let (account, slot, value): (Address, U256, B256) = params.parse()?;
        chain.change(|_, writes| {
            writes.slots.insert((account, slot), value.into());
            Ok(())
        })?;
        Ok(json!(true))
    }),
    (&["hardhat_setCoinbase", "anvil_setCoinbase"], |chain, params| {
        chain.set_coinbase(one(params)?);
        Ok(json!(true))
    }),
    (&["hardhat_setNextBlockBaseFeePerGas", "anvil_setNextBlockBaseFeePerGas"], |chain, params| {
        chain.set_next_base_fee(one::<Number>(params)?.get()?);
        Ok(json!(true))
    }),
    (&["hardhat_setPrevRandao", "anvil_setPrevRandao"], |chain, params| {
        chain.set_next_prevrandao(one(params)?);
        Ok(json!(true))
    }),
    (&["evm_setBlockGasLimit", "anvil_setBlockGasLimit"], |chain, params| {
        chain.set_block_gas(one::<Number>(params)?.get()?)?;
        Ok(json!(true))
    }),
    (&["hardhat_dropTransaction", "anvil_dropTransaction"], |chain, params| {
        Ok(json!(chain.drop_transaction(one(params)?)))
    }),
    (&["hardhat_impersonateAccount", "anvil_impersonateAccount"], |chain, params| {
        chain.impersonate(one(params)?, true);
        Ok(json!(true))
    }),
    (&["hardhat_stopImpersonatingAccount", "anvil_stopImpersonatingAccount"], |chain, params| {
        chain.impersonate(one(params)?, false);
        Ok(json!(true))
    }),
    (&["anvil_autoImpersonateAccount"], |chain, params| {
        chain.impersonate_all(one(params)?);
        Ok(Value::Null)
    }),
    (&["hardhat_metadata", "anvil_nodeInfo"], |chain, _| {
        let head = chain.head()?;
        Ok(json!({
            "clientVersion": CLIENT, "chainId": chain.chain_id(), "instanceId": chain.instance(),
            "latestBlockNumber": head.number, "latestBlockHash": head.hash_slow(),
        }))
    }),
];

/// Every method that a development chain adds or answers itself.
pub(super) fn methods(chain: DevChain) -> Methods {
    let mut module = RpcModule::new(chain);
    for (names, handler) in METHODS {
        for name in *names {
            let handler = *handler;
            module
                .register_blocking_method(name, move |params, chain, _| handler(&chain, &params))
                .expect("method names are distinct");
        }
    }
    module.into()
}

fn mine(chain: &DevChain, params: &Params<'_>) -> RpcResult<Value> {
    if let Some(seconds) = number(params)? {
        chain.set_next_time(seconds)?;
    }
    chain.mine()?;
    Ok(json!("0x0"))
}

fn mine_many(chain: &DevChain, params: &Params<'_>) -> RpcResult<Value> {
    let mut params = params.sequence();
    let mut next = |default| -> RpcResult<u64> {
        let number: Option<Number> = params.optional_next()?;
        number.map_or(Ok(default), |number| number.get())
    };
    let (count, interval) = (next(1)?, next(1)?);
    chain.mine_many(count, interval)?;
    Ok(json!(true))
}

fn set_code(chain: &DevChain, params: &Params<'_>) -> RpcResult<Value> {
    let (account, code): (Address, Bytes) = params.parse()?;
    let hash = keccak256(&code);
    chain.change(|state, writes| {
        let mut changed = cairn_ledger::State::account(state, account)?.unwrap_or_default();
        changed.code_hash = hash;
        writes.accounts.insert(account, Some(changed));
        if !code.is_empty() {
            writes.codes.insert(hash, code);
        }
        Ok(())
    })?;
    Ok(json!(true))
}
