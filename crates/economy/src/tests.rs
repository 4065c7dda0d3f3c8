//! Tests of the economy: tables of known values, and a property for each inequality of docs/spec/economy.md.

mod attacks;
mod cards;
mod day;
mod distribute;
mod settle;

use alloy_primitives::Address;
use cairn_primitives::{Cell, DeviceId, EconomyParams, Epoch, MicroUsd, Sector};

use crate::{Pool, ScoredDevice};

/// One dollar.
const USD: u64 = 1_000_000;

/// The parameters of docs/spec/economy.md with a small network: 3 cells of 3 devices at $ 0.25 a day, price $ 0.05.
pub(crate) fn params() -> EconomyParams {
    EconomyParams {
        price_micro_usd: 50_000,
        device_cost_micro_usd_day: 250_000,
        ..EconomyParams::default()
    }
}

/// Device `n` of owner `owner` in cell `cell`, registered as number `n`.
fn device(n: u64, owner: u8, cell: u64, score_permille: u16) -> ScoredDevice {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&n.to_be_bytes());
    ScoredDevice {
        device: DeviceId(id),
        owner: Address::repeat_byte(owner),
        cell: Cell(cell),
        index: n,
        score_permille,
    }
}

/// A pool at the price of `params`.
fn pool(earned: u64, usage: u64, need: u64) -> Pool {
    let price = MicroUsd(params().price_micro_usd);
    Pool {
        epoch: Epoch(7),
        sector: Sector::Sensing,
        price,
        earned: MicroUsd(earned),
        earned_stones: MicroUsd(earned).to_stones_floor(price),
        usage: MicroUsd(usage),
        need: MicroUsd(need),
    }
}
