//! The pool's slots.

use alloy_primitives::{Address, U256};
use cairn_economy::{Accumulator, PricePool, PriceQ32};
use cairn_primitives::{Epoch, MicroUsd, PoolParams, Stones, abi::POOL};

use crate::native::{Ctx, List, Mapping, Packer, Res, Stop, Stored, Unpacker, Value};

/// Shares of the pool.
pub type Shares = u128;

/// Slot 0.
pub const RESERVES: Value<Reserves> = Value::new(POOL, 0);
/// `uint128` at slot 1: all shares.
pub const TOTAL: Value<Shares> = Value::new(POOL, 1);
/// Slot 2.
pub const ACCUMULATOR: Value<Held> = Value::new(POOL, 2);
/// Slot 3.
pub const PULSE: Value<Pulse> = Value::new(POOL, 3);
/// Slot 4.
pub const GOOD: Value<Good> = Value::new(POOL, 4);
/// Slot 5.
pub const MEDIAN: Value<Median> = Value::new(POOL, 5);
/// `mapping(address => Holding)` at slot 6.
pub const SHARES: Mapping<Address, Value<Holding>> = Mapping::new(POOL, 6);
/// `mapping(set => mapping(seat => Feed))` at slot 7.
pub const FEEDS: Mapping<u32, Mapping<u32, Value<Feed>>> = Mapping::new(POOL, 7);
/// `EpochPrice[]` at slot 8, ascending.
pub const PRICED: List<EpochPrice> = List::new(POOL, 8);
/// Slot 9: what was minted in a window; `credits` keeps it here because only balances may be hashed there.
pub const MINTED: Value<Minted> = Value::new(POOL, 9);
/// `mapping(owner => mapping(spender => uint256))` at slot 10: allowances of dollars, here for the same reason.
pub const ALLOWANCES: Mapping<Address, Mapping<Address, Value<U256>>> = Mapping::new(POOL, 10);
/// `mapping(address => Drawn)` at slot 11: what an account took from the faucet.
pub const DRAWN: Mapping<Address, Value<Drawn>> = Mapping::new(POOL, 11);
/// Slot 12: what all accounts took.
pub const DRAWN_ALL: Value<Drawn> = Value::new(POOL, 12);
/// `address[]` at slot 13: whoever had shares.
pub const HOLDERS: List<Address> = List::new(POOL, 13);
/// Slot 14.
pub const BOND: Value<Bond> = Value::new(POOL, 14);
/// First slots of the two rings: `uint128[25]` each.
pub const SHORT_SLOT: u64 = 32;
pub const LONG_SLOT: u64 = 64;

/// stones 16 │ micro-dollars 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserves {
    pub stones: Stones,
    pub usd: MicroUsd,
}

/// The accumulator: sum 16 │ log2 8 │ until ms 8.
pub struct Held(pub Accumulator);

/// Each block: its time 8 │ when blocks came again after a gap 8 │ half hour 8 │ dollars at its beginning 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    pub last_ms: u64,
    pub resumed_ms: u64,
    pub window: u64,
    pub depth: MicroUsd,
}

/// The last healthy settle price 16 │ ms 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Good {
    pub price: PriceQ32,
    pub at_ms: u64,
}

/// The median of the feeds 8 │ of the last feed, ms 8 │ of how many 4. A price of 0: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Median {
    pub price: MicroUsd,
    pub at_ms: u64,
    pub feeds: u32,
}

/// shares 16 │ in the list of holders 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    pub shares: Shares,
    pub listed: bool,
}

/// price 8 │ ms 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    pub price: MicroUsd,
    pub at_ms: u64,
}

/// What the epochs up to this one are settled at: epoch 8 │ price 8 │ health 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochPrice {
    pub until: Epoch,
    pub price: MicroUsd,
    pub health: u8,
}

/// half hour 8 │ micro-dollars of credits 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minted {
    pub window: u64,
    pub credits: MicroUsd,
}

/// day 8 │ micro-dollars 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    pub day: u64,
    pub usd: MicroUsd,
}

/// What a device must bond 16 │ the week of the last revaluation, from genesis 8. Zeros: as in genesis, week 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bond {
    pub stones: Stones,
    pub week: u64,
}

impl Stored for Bond {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u128(self.stones.0).u64(self.week).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { stones: Stones(a.u128()), week: a.u64() }
    }
}

/// The genesis table.
///
/// # Errors
/// `Stop::Fatal` where there is none: nobody can call this contract there.
pub fn params<'a>(c: &Ctx<'a>) -> Res<&'a PoolParams> {
    match &c.genesis().pool {
        Some(params) => Ok(params),
        None => Err(Stop::Fatal("the pool of a network without one was asked".into())),
    }
}

/// The pool as `cairn_economy` calculates with it.
pub fn pool(c: &mut Ctx<'_>) -> Res<PricePool> {
    let fee_ppm = params(c)?.fee_ppm;
    let Reserves { stones, usd } = RESERVES.get(c)?;
    Ok(PricePool { stones, usd, fee_ppm })
}

impl Stored for Reserves {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u128(self.stones.0).u64(self.usd.0).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { stones: Stones(a.u128()), usd: MicroUsd(a.u64()) }
    }
}

impl Stored for Held {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u128(self.0.sum).u64(self.0.log2).u64(self.0.at_ms).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self(Accumulator { sum: a.u128(), log2: a.u64(), at_ms: a.u64() })
    }
}

impl Stored for Pulse {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new()
            .u64(self.last_ms)
            .u64(self.resumed_ms)
            .u64(self.window)
            .u64(self.depth.0)
            .word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { last_ms: a.u64(), resumed_ms: a.u64(), window: a.u64(), depth: MicroUsd(a.u64()) }
    }
}

impl Stored for Good {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u128(self.price.0).u64(self.at_ms).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { price: PriceQ32(a.u128()), at_ms: a.u64() }
    }
}

impl Stored for Median {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.price.0).u64(self.at_ms).u32(self.feeds).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { price: MicroUsd(a.u64()), at_ms: a.u64(), feeds: a.u32() }
    }
}

impl Stored for Holding {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u128(self.shares).u8(u8::from(self.listed)).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { shares: a.u128(), listed: a.u8() != 0 }
    }
}

impl Stored for Feed {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.price.0).u64(self.at_ms).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { price: MicroUsd(a.u64()), at_ms: a.u64() }
    }
}

impl Stored for EpochPrice {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.until.0).u64(self.price.0).u8(self.health).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { until: Epoch(a.u64()), price: MicroUsd(a.u64()), health: a.u8() }
    }
}

impl Stored for Minted {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.window).u64(self.credits.0).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { window: a.u64(), credits: MicroUsd(a.u64()) }
    }
}

impl Stored for Drawn {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.day).u64(self.usd.0).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { day: a.u64(), usd: MicroUsd(a.u64()) }
    }
}
