//! Performs acts on a ledger in memory and on the reference, and compares them.

use alloy_consensus::{TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use cairn_primitives::{
    EconomyParams, Genesis, GenesisAccount, GenesisValidator, PoolParams, TimeMs,
    abi::{CREDITS, ICredits, IPool, IUsd, POOL, USD},
};

use super::{
    acts::Act,
    chain::{CHAIN, Chain, agree},
    reference::{DEPTH_USD, DOLLAR, FAUCET_USD, PRICE, Reference},
};

/// Whole stones of each person: more than any history of this driver sells.
const HELD: u64 = 100_000_000;
/// No deadline.
const LATER: u64 = u64::MAX;

/// A ledger, its reference, and the people.
pub struct Driver {
    chain: Chain,
    reference: Reference,
}

const fn person(n: usize) -> Address {
    Address::repeat_byte(if n == 0 {
        0xa0
    } else if n == 1 {
        0xb0
    } else {
        0xc0
    })
}

impl Driver {
    pub fn new() -> Self {
        let genesis = genesis();
        let reference = Reference::new(genesis.start_ms);
        Self { chain: Chain::new(genesis), reference }
    }

    fn now(&self) -> u64 {
        self.chain.now().0
    }

    /// Performs one act; says whether it succeeded.
    ///
    /// # Panics
    /// When ledger and reference differ, or a swap lowers the product of the reserves.
    pub fn perform(&mut self, act: &Act) -> bool {
        if let Act::Wait { ms } = act {
            self.block(self.now() + ms, Vec::new());
            self.compare(act);
            return true;
        }
        let (who, to, stones, input) = self.call_of(act);
        let product = U256::from(self.reference.stones) * U256::from(self.reference.usd);
        // The block begins before its transaction runs, and after the call that asks in advance.
        let called = self.chain.call(person(who), to, stones, &input, false);
        self.reference.block(self.now());
        let answer = self.reference.perform(act, self.now());
        agree(act, &called, answer);
        let transaction = self.chain.transaction(person(who), to, stones, input);
        let success = self.block(self.now(), vec![transaction]);
        assert_eq!(success, answer.is_ok(), "{act:?}");
        if matches!(act, Act::Buy { .. } | Act::Sell { .. }) {
            let after = U256::from(self.reference.stones) * U256::from(self.reference.usd);
            assert!(after >= product, "{act:?} lowered the product");
        }
        self.compare(act);
        success
    }

    fn call_of(&self, act: &Act) -> (usize, Address, u128, Bytes) {
        let call = |who: &usize, to, stones: u128, input: Vec<u8>| (*who, to, stones, input.into());
        let (deadline, none) = (LATER, U256::ZERO);
        match act {
            Act::Faucet { who, usd } => {
                call(who, USD, 0, IUsd::faucetCall { microUsd: *usd }.abi_encode())
            }
            Act::Buy { who, usd } => {
                let buy = IPool::buyCall { microUsd: *usd, minStones: none, deadlineMs: deadline };
                call(who, POOL, 0, buy.abi_encode())
            }
            Act::Sell { who, stones } => {
                let sell = IPool::sellCall { minMicroUsd: 0, deadlineMs: deadline };
                call(who, POOL, *stones, sell.abi_encode())
            }
            Act::Add { who, stones } => {
                let add = IPool::addLiquidityCall {
                    maxMicroUsd: u64::MAX,
                    minShares: none,
                    deadlineMs: deadline,
                };
                call(who, POOL, *stones, add.abi_encode())
            }
            Act::Remove { who, ppm } => {
                let remove = IPool::removeLiquidityCall {
                    shares: U256::from(self.reference.shares_of(*who, *ppm)),
                    minStones: none,
                    minMicroUsd: 0,
                    deadlineMs: deadline,
                };
                call(who, POOL, 0, remove.abi_encode())
            }
            Act::Give { who, to, usd } => {
                let give = IUsd::transferCall { to: person(*to), value: U256::from(*usd) };
                call(who, USD, 0, give.abi_encode())
            }
            Act::Mint { who, stones } => {
                call(who, CREDITS, *stones, ICredits::mintCall {}.abi_encode())
            }
            Act::Wait { .. } => unreachable!("no call"),
        }
    }

    /// Adds a block; says whether its transaction succeeded. Waiting is a block as well.
    fn block(&mut self, time: u64, transactions: Vec<Recovered<TxEnvelope>>) -> bool {
        if transactions.is_empty() {
            self.reference.block(time);
        }
        let (success, _) = self.chain.block(TimeMs(time), transactions);
        self.chain.check();
        success
    }

    /// Everything that people can see of the contracts.
    fn compare(&self, act: &Act) {
        let (model, now) = (&self.reference, self.now());
        let held = self.chain.ask(POOL, &IPool::reservesCall {});
        let seen = (held.stones.to::<u128>(), held.microUsd, held.shares.to::<u128>());
        assert_eq!(seen, (model.stones, model.usd, model.total), "after {act:?}");
        assert_eq!(self.chain.held(POOL), model.stones, "stones of the pool after {act:?}");
        for n in 0..3 {
            let account = person(n);
            let dollars = self.chain.ask(USD, &IUsd::balanceOfCall { account });
            assert_eq!(dollars, U256::from(model.held(n)), "dollars of {n} after {act:?}");
            let shares = self.chain.ask(POOL, &IPool::sharesOfCall { account });
            assert_eq!(shares, U256::from(model.shares_of(n, 1_000_000)), "after {act:?}");
            let credits = self.chain.ask(CREDITS, &ICredits::balanceOfCall { account });
            let wanted = model.credits.get(&n).copied().unwrap_or(0);
            assert_eq!(credits, U256::from(wanted), "credits of {n} after {act:?}");
        }
        assert_eq!(self.chain.ask(POOL, &IPool::priceCall {}), model.price(), "after {act:?}");
        let means = self.chain.ask(POOL, &IPool::twapsCall {});
        let wanted = (model.half_hour(now), model.day(now));
        assert_eq!((means.halfHour, means.day), wanted, "after {act:?}");
        assert_eq!(
            self.chain.ask(POOL, &IPool::healthCall {}).reason,
            model.health(now),
            "{act:?}"
        );
        assert_eq!(self.chain.ask(POOL, &IPool::settlePriceCall {}), model.settle(now), "{act:?}");
        let limits = self.chain.ask(CREDITS, &ICredits::limitsCall {});
        assert_eq!(limits.windowLeftMicroUsd, model.window_left(now), "after {act:?}");
    }
}

fn genesis() -> Genesis {
    let pooled = DEPTH_USD * DOLLAR / PRICE;
    Genesis {
        start_ms: 1_356_998_400_000,
        time_scale: 180,
        economy: EconomyParams {
            price_micro_usd: PRICE,
            reserve_stones: 1_000_000_000 - 3 * HELD - 10_000 - pooled,
            device_cost_micro_usd_day: 250_000,
            ..EconomyParams::default()
        },
        pool: Some(PoolParams {
            usd: DEPTH_USD,
            fee_ppm: 3_000,
            owner: person(2),
            faucet_account_usd: FAUCET_USD.0,
            faucet_day_usd: FAUCET_USD.1,
        }),
        validators: vec![GenesisValidator {
            name: "v".to_owned(),
            operator: Address::repeat_byte(0x11),
            consensus_key: B256::repeat_byte(1),
            bond_stones: 10_000,
        }],
        accounts: (0..3)
            .map(|n| GenesisAccount { name: "person".to_owned(), address: person(n), stones: HELD })
            .collect(),
        ..Genesis::empty("price", CHAIN)
    }
}
