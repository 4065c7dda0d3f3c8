//! A development chain over its own JSON-RPC: blocks at once, time travel, states that come back.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall as _;
use cairn_client::DevKeys;
use cairn_kit::Shutdown;
use cairn_primitives::{
    Genesis, STONE,
    abi::{IRewards, IStake, REWARDS, STAKE},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{DevNode, wallets};
use crate::{
    chain::{TestChain, genesis},
    validator::Network,
};

struct Running {
    client: reqwest::Client,
    url: String,
    accounts: Vec<Address>,
    stop: Shutdown,
    served: tokio::task::JoinHandle<()>,
    folder: TempDir,
}

impl Running {
    async fn start() -> Self {
        Self::start_in(TempDir::new().unwrap()).await
    }

    async fn start_in(folder: TempDir) -> Self {
        let wallets: Vec<_> = wallets().into_iter().map(|(_, wallet)| wallet).collect();
        let accounts: Vec<_> = wallets.iter().map(cairn_client::Wallet::address).collect();
        let mut genesis = genesis(&DevKeys::new("dev tests"));
        // Everything that alice had is the first account's.
        genesis.accounts[0].address = accounts[0];
        genesis.stake.seal_window_ms = 0;
        let network = Network {
            genesis: Arc::new(genesis),
            text: "dev".into(),
            hash: Genesis::hash_of_text("dev"),
        };
        let config = TestChain::config();
        let node = DevNode::start(folder.path().into(), &network, wallets, config).await.unwrap();
        let (client, url) = (reqwest::Client::new(), node.rpc_url());
        let stop = Shutdown::new();
        let served = tokio::spawn(node.run(stop.clone()));
        Self { client, url, accounts, stop, served, folder }
    }

    /// The result, or the message of the error.
    async fn ask(&self, method: &str, params: Value) -> Result<Value, String> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.client.post(&self.url).json(&request).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        match answer["error"]["message"].as_str() {
            Some(message) => Err(message.to_owned()),
            None => Ok(answer["result"].take()),
        }
    }

    async fn get(&self, method: &str, params: Value) -> Value {
        self.ask(method, params).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    async fn number(&self, method: &str, params: Value) -> u64 {
        let text = self.get(method, params).await;
        u64::from_str_radix(text.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    async fn balance(&self, account: Address) -> U256 {
        self.get("eth_getBalance", json!([account, "latest"]))
            .await
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }

    async fn read(&self, to: Address, call: Vec<u8>) -> Bytes {
        let request = json!([{ "to": to, "data": Bytes::from(call) }, "latest"]);
        self.get("eth_call", request).await.as_str().unwrap().parse().unwrap()
    }

    async fn head_seconds(&self) -> u64 {
        let block = self.get("eth_getBlockByNumber", json!(["latest", false])).await;
        u64::from_str_radix(&block["timestamp"].as_str().unwrap()[2..], 16).unwrap()
    }

    async fn end(self) -> TempDir {
        self.stop.request();
        self.served.await.unwrap();
        self.folder
    }
}

fn transfer(from: Address, to: Address, stones: u64) -> Value {
    json!([{ "from": from, "to": to, "value": U256::from(stones) * U256::from(STONE) }])
}

#[tokio::test]
async fn a_block_follows_each_transaction_and_a_snapshot_brings_the_state_back() {
    let chain = Running::start().await;
    let (from, to) = (chain.accounts[0], Address::repeat_byte(0x77));
    let id = chain.get("evm_snapshot", json!([])).await;
    let hash = chain.get("eth_sendTransaction", transfer(from, to, 3)).await;
    let receipt = chain.get("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!((&receipt["status"], &receipt["blockNumber"]), (&json!("0x1"), &json!("0x1")));
    assert_eq!(chain.balance(to).await, U256::from(3 * STONE));

    assert_eq!(chain.get("evm_revert", json!([id])).await, json!(true));
    assert_eq!(chain.number("eth_blockNumber", json!([])).await, 0);
    assert_eq!(chain.balance(to).await, U256::ZERO);
    assert_eq!(chain.get("eth_getTransactionByHash", json!([hash])).await, Value::Null);
    assert_eq!(chain.get("evm_revert", json!([id])).await, json!(false), "a state comes back once");
    // The nonce came back too: the same transaction has the same hash.
    assert_eq!(chain.number("eth_getTransactionCount", json!([from, "latest"])).await, 0);
    chain.get("eth_sendTransaction", transfer(from, to, 1)).await;
    assert_eq!(chain.balance(to).await, U256::from(STONE));
    chain.end().await;
}

#[tokio::test]
async fn time_goes_where_it_is_sent_and_never_back() {
    let chain = Running::start().await;
    // Ahead of the wall: each is a second after the one before.
    for _ in 0..5 {
        chain.get("evm_mine", json!([])).await;
    }
    let begun = chain.head_seconds().await;
    chain.get("evm_increaseTime", json!([86_400])).await;
    chain.get("evm_mine", json!([])).await;
    let later = chain.head_seconds().await;
    // Not twice as much: the wall's time passes too, the more the slower the machine.
    assert!((86_400..2 * 86_400).contains(&(later - begun)), "{begun} {later}");
    chain.get("evm_setNextBlockTimestamp", json!([later + 1_000])).await;
    chain.get("evm_mine", json!([])).await;
    assert_eq!(chain.head_seconds().await, later + 1_000);
    let refused = chain.ask("evm_setNextBlockTimestamp", json!([later])).await.unwrap_err();
    assert!(refused.contains("above the last block's"), "{refused}");

    let before = chain.number("eth_blockNumber", json!([])).await;
    chain.get("hardhat_mine", json!(["0x5", "0x3c"])).await;
    assert_eq!(chain.number("eth_blockNumber", json!([])).await, before + 5);
    assert!(chain.head_seconds().await >= later + 1_000 + 4 * 60);
    chain.end().await;
}

#[tokio::test]
async fn blocks_wait_when_they_are_told_to() {
    let chain = Running::start().await;
    let (from, to) = (chain.accounts[0], Address::repeat_byte(0x78));
    chain.get("evm_setAutomine", json!([false])).await;
    for stones in 1..=3 {
        chain.get("eth_sendTransaction", transfer(from, to, stones)).await;
    }
    assert_eq!(chain.number("eth_blockNumber", json!([])).await, 0);
    chain.get("evm_mine", json!([])).await;
    let block = chain.get("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(block["transactions"].as_array().unwrap().len(), 3);
    assert_eq!(chain.balance(to).await, U256::from(6 * STONE));
    chain.end().await;
}

#[tokio::test]
async fn accounts_are_changed_and_impersonated() {
    let chain = Running::start().await;
    let whale = Address::repeat_byte(0x99);
    let refused = chain.ask("eth_sendTransaction", transfer(whale, whale, 0)).await.unwrap_err();
    assert!(refused.contains("hardhat_impersonateAccount"), "{refused}");
    let balance = U256::from(10 * STONE);
    chain.get("hardhat_setBalance", json!([whale, balance])).await;
    chain.get("hardhat_setNonce", json!([whale, "0x7"])).await;
    chain.get("hardhat_impersonateAccount", json!([whale])).await;
    let to = Address::repeat_byte(0x79);
    let hash = chain.get("eth_sendTransaction", transfer(whale, to, 4)).await;
    let sent = chain.get("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&sent["from"], &sent["nonce"]), (&json!(whale), &json!("0x7")));
    assert_eq!(chain.balance(to).await, U256::from(4 * STONE));
    chain.get("hardhat_stopImpersonatingAccount", json!([whale])).await;
    chain.ask("eth_sendTransaction", transfer(whale, to, 1)).await.unwrap_err();

    // `PUSH1 42, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN`, and a slot.
    chain.get("hardhat_setCode", json!([to, "0x602a5f5260205ff3"])).await;
    let answer = chain.get("eth_call", json!([{ "to": to }, "latest"])).await;
    assert_eq!(answer.as_str().unwrap().parse::<U256>().unwrap(), U256::from(42));
    let value = format!("0x{:064x}", 5);
    chain.get("hardhat_setStorageAt", json!([to, "0x1", value])).await;
    assert_eq!(chain.get("eth_getStorageAt", json!([to, "0x1", "latest"])).await, json!(value));
    chain.get("hardhat_reset", json!([])).await;
    assert_eq!(chain.get("eth_getCode", json!([to, "latest"])).await, json!("0x"));
    assert_eq!(chain.balance(whale).await, U256::ZERO);
    chain.end().await;
}

#[tokio::test]
async fn what_was_undone_does_not_come_back_with_a_restart() {
    let chain = Running::start().await;
    let (from, to) = (chain.accounts[0], Address::repeat_byte(0x7a));
    let id = chain.get("evm_snapshot", json!([])).await;
    chain.get("eth_sendTransaction", transfer(from, to, 3)).await;
    chain.get("eth_sendTransaction", transfer(from, to, 4)).await;
    chain.get("evm_revert", json!([id])).await;
    let chain = Running::start_in(chain.end().await).await;
    assert_eq!(chain.number("eth_getTransactionCount", json!([from, "pending"])).await, 0);
    chain.get("eth_sendTransaction", transfer(from, to, 1)).await;
    assert_eq!(chain.balance(to).await, U256::from(STONE));
    chain.end().await;
}

#[tokio::test]
async fn development_accounts_sign_messages_and_typed_data() {
    let chain = Running::start().await;
    let stranger = Address::repeat_byte(0x99);
    // What viem's `signMessage` and `signTypedData` make with the first account's key.
    let typed = json!({
        "types": {
            "EIP712Domain": [
                { "name": "name", "type": "string" }, { "name": "version", "type": "string" },
                { "name": "chainId", "type": "uint256" }, { "name": "verifyingContract", "type": "address" },
            ],
            "Permit": [
                { "name": "owner", "type": "address" }, { "name": "spender", "type": "address" },
                { "name": "value", "type": "uint256" }, { "name": "nonce", "type": "uint256" },
                { "name": "deadline", "type": "uint256" },
            ],
        },
        "primaryType": "Permit",
        "domain": {
            "name": "Example", "version": "1", "chainId": "0x7ab7",
            "verifyingContract": "0x5fbdb2315678afecb367f032d93f642f64180aa3",
        },
        "message": {
            "owner": "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
            "spender": "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
            "value": "77", "nonce": "0", "deadline": "1900000000",
        },
    });
    let permit = json!(PERMIT);
    let account = json!(chain.accounts[0]);
    assert_eq!(chain.get("eth_signTypedData_v4", json!([account, typed])).await, permit);
    let text = typed.to_string();
    assert_eq!(chain.get("eth_signTypedData_v4", json!([account, text])).await, permit);
    let refused = chain.ask("eth_signTypedData_v4", json!([stranger, typed])).await.unwrap_err();
    assert!(refused.contains("no key of"), "{refused}");
    let refused = chain.ask("eth_signTypedData_v4", json!([account, "{}"])).await.unwrap_err();
    assert!(refused.starts_with("typed data: "), "{refused}");

    let (message, signed) = (json!("0x436169726e"), json!(MESSAGE));
    assert_eq!(chain.get("personal_sign", json!([message, account])).await, signed);
    assert_eq!(chain.get("eth_sign", json!([account, message])).await, signed);
    chain.ask("personal_sign", json!([message, stranger])).await.unwrap_err();
    chain.end().await;
}

const PERMIT: &str = concat!(
    "0xfafe9fa2fe3b95f139fc3359d3259ef630ffa9efb02374b637ca2f1fbb55d338",
    "1366b645a20ec5c0426c923946dd06040a71ebff7b2f2236e80e039877a164f8",
    "1c"
);
/// Of "Cairn".
const MESSAGE: &str = concat!(
    "0x07c2a4a41723191dd35a97e71ae615db5536de895dad7ad295fae01efcf76367",
    "78465716e249782137d932093c3d650b0211d6ec904c0ca4d3970ab99de9b1d3",
    "1b"
);

#[tokio::test]
async fn the_next_block_is_what_a_test_decides() {
    let chain = Running::start().await;
    let random = format!("0x{:064x}", 1_234);
    chain.get("hardhat_setPrevRandao", json!([random])).await;
    chain.get("evm_setBlockGasLimit", json!(["0x2625a00"])).await;
    chain.get("hardhat_setNextBlockBaseFeePerGas", json!(["0x77359400"])).await;
    chain.get("evm_mine", json!([])).await;
    let block = chain.get("eth_getBlockByNumber", json!(["latest", false])).await;
    let fields = ["mixHash", "gasLimit", "baseFeePerGas"].map(|name| block[name].clone());
    assert_eq!(fields, [json!(random), json!("0x2625a00"), json!("0x77359400")]);
    chain.get("evm_mine", json!([])).await;
    let block = chain.get("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_ne!(block["mixHash"], json!(random), "it was for one block");
    assert_eq!(block["gasLimit"], json!("0x2625a00"), "it stays");
    chain.ask("evm_setBlockGasLimit", json!(["0x1"])).await.unwrap_err();

    chain.get("evm_setAutomine", json!([false])).await;
    let (from, to) = (chain.accounts[0], Address::repeat_byte(0x7b));
    let hash = chain.get("eth_sendTransaction", transfer(from, to, 1)).await;
    assert_eq!(chain.get("hardhat_dropTransaction", json!([hash])).await, json!(true));
    assert_eq!(chain.get("hardhat_dropTransaction", json!([hash])).await, json!(false));
    chain.get("evm_mine", json!([])).await;
    assert_eq!(chain.balance(to).await, U256::ZERO);
    chain.end().await;
}

#[tokio::test]
async fn suites_recognise_a_chain_that_they_may_change() {
    let chain = Running::start().await;
    let version = chain.get("web3_clientVersion", json!([])).await;
    assert!(version.as_str().unwrap().starts_with("anvil/cairn-"), "{version}");
    let metadata = chain.get("hardhat_metadata", json!([])).await;
    assert_eq!(metadata["clientVersion"], version);
    let genesis = chain.get("eth_getBlockByNumber", json!(["0x0", false])).await;
    assert_eq!(metadata["instanceId"], genesis["hash"]);
    chain.end().await;
}

/// Nobody votes on a development chain, but a test may vote for those who could.
#[tokio::test]
async fn an_impersonated_validator_votes_without_a_fee() {
    let chain = Running::start().await;
    let operators: Vec<Address> = {
        let call = IStake::validatorsCall {}.abi_encode();
        let answer = chain.read(STAKE, call).await;
        let validators = IStake::validatorsCall::abi_decode_returns(&answer);
        validators.unwrap().iter().map(|validator| validator.operator).collect()
    };
    let result = IRewards::Result { devices: 0, ..Default::default() };
    let vote =
        IRewards::voteCall { epoch: 0, sector: 1, round: 0, result, salt: B256::ZERO }.abi_encode();
    let late = chain.head_seconds().await + 3 * 3_600;
    chain.get("evm_setNextBlockTimestamp", json!([late])).await;
    chain.get("evm_mine", json!([])).await;
    for operator in &operators {
        chain.get("hardhat_impersonateAccount", json!([operator])).await;
        let request = json!([{
            "from": operator, "to": REWARDS, "data": Bytes::from(vote.clone()), "gas": "0x7a1200",
            "maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0x0",
        }]);
        chain.get("eth_sendTransaction", request).await;
    }
    let next = chain.read(REWARDS, IRewards::nextEpochCall { sector: 1 }.abi_encode()).await;
    assert_eq!(U256::from_be_slice(&next), U256::from(1));
    chain.end().await;
}
