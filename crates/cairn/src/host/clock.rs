//! The clock of a network on many hosts: a function of UTC and genesis alone, so that every host has the same.
//!
//! `network time = start_ms + (UTC − start_ms) × time_scale`: with a scale of 1 it is UTC. Hosts keep UTC by NTP; a clock
//! that is wrong only delays its own votes (docs/spec/consensus.md, rule 2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cairn_kit::{NetworkClock, Shutdown};
use cairn_primitives::Genesis;
use serde_json::json;

use super::{Life, event};

/// UTC in ms since 1970.
fn utc_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Network time at `utc_ms`; nothing before the network begins.
fn network_ms(genesis: &Genesis, utc_ms: u64) -> Option<u64> {
    let passed = utc_ms.checked_sub(genesis.start_ms)?;
    Some(genesis.start_ms.saturating_add(passed.saturating_mul(genesis.time_scale)))
}

/// The running clock; waits until the network begins. `None` when it was stopped meanwhile.
pub async fn start_clock(genesis: &Genesis, life: &Life, stop: &Shutdown) -> Option<NetworkClock> {
    loop {
        let now = utc_ms();
        if let Some(at) = network_ms(genesis, now) {
            return Some(NetworkClock::running(at, genesis.time_scale));
        }
        let wait = genesis.start_ms - now;
        event(life.output, "waiting", json!({ "begins_in_ms": wait }), || {
            format!("the network begins in {} s", wait.div_ceil(1_000))
        });
        stop.until(tokio::time::sleep(Duration::from_millis(wait))).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::genesis_example;

    #[test]
    fn network_time_is_a_function_of_utc_and_genesis() {
        let mut genesis = genesis_example();
        genesis.start_ms = 1_000;
        for (scale, utc, expected) in [
            (1, 999, None),
            (1, 1_000, Some(1_000)),
            (1, 5_000, Some(5_000)),
            (60, 2_000, Some(61_000)),
        ] {
            genesis.time_scale = scale;
            assert_eq!(network_ms(&genesis, utc), expected);
        }
    }
}
