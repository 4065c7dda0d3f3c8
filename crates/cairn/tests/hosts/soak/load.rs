//! Load: an account that pays again and again through whoever answers, and remembers what was acknowledged.

use std::{collections::VecDeque, time::Duration};

use alloy_primitives::{Address, B256, TxHash};
use cairn_client::{Call, Fees, LedgerClient};
use cairn_primitives::Stones;
use tokio::{sync::watch, task::JoinHandle};

use crate::found::founder;

const PAYEE: Address = Address::repeat_byte(0xdd);
/// Transactions that wait for their receipts at once.
const WINDOW: usize = 24;
/// Looks at the oldest one before it is sent again: the node that took it may be gone.
const LOOKS: usize = 20;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
const GAS: u64 = 21_000;
const FEES: Fees = Fees { max_fee: 1_000_000_000_000, tip: 1_000_000_000 };

/// A transaction and the hash of the block that its receipt named.
pub type Acknowledged = Vec<(TxHash, B256)>;

/// The load, while it runs.
pub struct Load {
    stop: watch::Sender<bool>,
    task: JoinHandle<Acknowledged>,
}

struct Payer {
    clients: Vec<LedgerClient>,
    /// Whose turn it is.
    turn: usize,
    nonce: u64,
    chain_id: u64,
    waiting: VecDeque<(TxHash, Vec<u8>)>,
    acknowledged: Acknowledged,
}

impl Load {
    /// Begins to pay through `clients`.
    pub async fn start(clients: Vec<LedgerClient>) -> Self {
        let chain_id = clients[0].chain_id().await.expect("the first node answers");
        let (stop, stopped) = watch::channel(false);
        let payer = Payer {
            clients,
            turn: 0,
            nonce: 0,
            chain_id,
            waiting: VecDeque::new(),
            acknowledged: Vec::new(),
        };
        Self { stop, task: tokio::spawn(payer.run(stopped)) }
    }

    /// Sends no more, waits for every receipt, and returns all of them.
    pub async fn stop(self) -> Acknowledged {
        self.stop.send_replace(true);
        self.task.await.expect("the load ends well")
    }
}

impl Payer {
    async fn run(mut self, stopped: watch::Receiver<bool>) -> Acknowledged {
        loop {
            while !*stopped.borrow() && self.waiting.len() < WINDOW {
                self.pay().await;
            }
            if self.waiting.is_empty() {
                return self.acknowledged;
            }
            self.oldest().await;
        }
    }

    fn next(&mut self) -> LedgerClient {
        self.turn = (self.turn + 1) % self.clients.len();
        self.clients[self.turn].clone()
    }

    async fn pay(&mut self) {
        let call = Call::transfer(PAYEE, Stones(1));
        let signed = founder().sign_transaction(self.chain_id, self.nonce, GAS, FEES, &call);
        let signed = signed.expect("a key signs");
        self.nonce += 1;
        self.send(&signed.raw).await;
        self.waiting.push_back((signed.hash, signed.raw));
    }

    /// Hands a transaction to the next node that takes it, if any does.
    async fn send(&mut self, raw: &[u8]) {
        for _ in 0..self.clients.len() {
            if self.next().send_raw(raw).await.is_ok() {
                return;
            }
        }
    }

    /// Waits for the oldest one's receipt for a while; without it everything that waits is sent again.
    async fn oldest(&mut self) {
        for _ in 0..LOOKS {
            let Some((hash, _)) = self.waiting.front() else { return };
            let hash = *hash;
            if let Ok(Some(receipt)) = self.next().receipt(hash).await
                && let Some(block) = receipt.block_hash
            {
                assert!(receipt.status(), "a transfer fails: {receipt:?}");
                self.acknowledged.push((hash, block));
                self.waiting.pop_front();
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
        for (_, raw) in self.waiting.clone() {
            self.send(&raw).await;
        }
    }
}
