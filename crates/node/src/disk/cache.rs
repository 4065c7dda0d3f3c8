//! A bounded cache in front of the state tables: execution reads the same few accounts and slots in every block.
//!
//! Two generations of at most `CACHE_ENTRIES` each: when the young one is full it becomes the old one, so what was not read
//! for a whole generation falls out. Invariant: an entry equals the table at the last commit. A value that was read before a
//! commit and arrives after it carries an older tick and is not kept.

use std::collections::HashMap;

use alloy_primitives::{Address, U256};
use cairn_ledger::{Account, Writes};

/// Entries a generation, accounts and slots counted together: about 10 MB for the two.
const CACHE_ENTRIES: usize = 32_768;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Account(Address),
    Slot(Address, U256),
}

#[derive(Clone, Copy)]
enum Value {
    Account(Option<Account>),
    Slot(U256),
}

/// See the file.
#[derive(Default)]
pub(super) struct Cache {
    young: HashMap<Key, Value>,
    old: HashMap<Key, Value>,
    tick: u64,
}

impl Cache {
    /// Number of the last commit; hand it back with what is read from the tables.
    pub(super) const fn tick(&self) -> u64 {
        self.tick
    }

    pub(super) fn account(&mut self, address: Address) -> Option<Option<Account>> {
        match self.get(Key::Account(address)) {
            Some(Value::Account(account)) => Some(account),
            _ => None,
        }
    }

    pub(super) fn slot(&mut self, address: Address, slot: U256) -> Option<U256> {
        match self.get(Key::Slot(address, slot)) {
            Some(Value::Slot(value)) => Some(value),
            _ => None,
        }
    }

    pub(super) fn keep_account(&mut self, tick: u64, address: Address, account: Option<Account>) {
        if tick == self.tick {
            self.put(Key::Account(address), Value::Account(account));
        }
    }

    pub(super) fn keep_slot(&mut self, tick: u64, address: Address, slot: U256, value: U256) {
        if tick == self.tick {
            self.put(Key::Slot(address, slot), Value::Slot(value));
        }
    }

    /// A block was committed.
    pub(super) fn apply(&mut self, writes: &Writes) {
        self.tick += 1;
        for (address, account) in &writes.accounts {
            self.put(Key::Account(*address), Value::Account(*account));
        }
        for ((address, slot), value) in &writes.slots {
            self.put(Key::Slot(*address, *slot), Value::Slot(*value));
        }
    }

    /// The tables are other than before: nothing that was read is good.
    pub(super) fn clear(&mut self) {
        *self = Self { tick: self.tick + 1, ..Self::default() };
    }

    fn get(&mut self, key: Key) -> Option<Value> {
        if let Some(value) = self.young.get(&key) {
            return Some(*value);
        }
        let value = *self.old.get(&key)?;
        self.put(key, value);
        Some(value)
    }

    fn put(&mut self, key: Key, value: Value) {
        if self.young.len() >= CACHE_ENTRIES && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u64) -> Address {
        Address::left_padding_from(&n.to_be_bytes())
    }

    #[test]
    fn stays_bounded_and_keeps_what_is_read() {
        let mut cache = Cache::default();
        for n in 0..200_000 {
            cache.keep_account(0, address(n), None);
            assert!(cache.account(address(0)).is_some(), "the hot one stays");
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * CACHE_ENTRIES);
        assert!(cache.account(address(1)).is_none(), "the cold one goes");
    }

    #[test]
    fn a_late_read_does_not_overwrite_a_commit() {
        let mut cache = Cache::default();
        let before = cache.tick();
        let mut writes = Writes::default();
        writes.slots.insert((address(1), U256::ZERO), U256::from(2));
        cache.apply(&writes);
        cache.keep_slot(before, address(1), U256::ZERO, U256::from(1));
        assert_eq!(cache.slot(address(1), U256::ZERO), Some(U256::from(2)));
    }
}
