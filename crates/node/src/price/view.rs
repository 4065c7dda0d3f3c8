//! What a source's text says, and when it is to be fed: pure.

use std::time::Duration;

use cairn_primitives::{MicroUsd, TimeMs};

/// Highest price that is believed, a million dollars for a STONE: a source that counts in other units is not fed.
pub const PRICE_MAX: MicroUsd = MicroUsd(1_000_000_000_000);
/// Decimals of a dollar.
const DECIMALS: usize = 6;
/// A view that moved by this part is fed at once, ppm: a third of what feeds and pool may be apart.
const MOVED_PPM: u128 = 5_000;
const PPM: u128 = 1_000_000;
/// A view is fed again when the last one has this part of its life behind it, as a divisor.
const AGED_DIVISOR: u64 = 2;
/// There are at least this many looks in a view's life.
const LOOKS: u64 = 4;

/// Why a source's text is no price.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// Neither form.
    #[error(
        "`{0}` is no price: write dollars per STONE with at most six decimals, like 1.23 or {{\"price_usd\": \"1.23\"}}"
    )]
    NoPrice(String),
    /// A number in JSON is read as a float somewhere.
    #[error("price_usd is {0}: write it as text, like {{\"price_usd\": \"1.23\"}}")]
    NotText(String),
    /// Zero, or too much.
    #[error("the price is {0}: from 0.000001 to {PRICE_MAX} dollars per STONE")]
    OutOfRange(MicroUsd),
}

/// The price in a source's text: `1.23`, or a JSON object whose `price_usd` is that as text.
pub(super) fn parse(text: &str) -> Result<MicroUsd, ViewError> {
    let text = text.trim();
    let number = if text.starts_with('{') {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|_| ViewError::NoPrice(shown(text)))?;
        match value.get("price_usd") {
            Some(serde_json::Value::String(number)) => number.trim().to_owned(),
            Some(other) => return Err(ViewError::NotText(shown(&other.to_string()))),
            None => return Err(ViewError::NoPrice(shown(text))),
        }
    } else {
        text.to_owned()
    };
    let price = micro_usd(&number).ok_or_else(|| ViewError::NoPrice(shown(&number)))?;
    let good = price > MicroUsd::ZERO && price <= PRICE_MAX;
    if good { Ok(price) } else { Err(ViewError::OutOfRange(price)) }
}

/// Dollars with at most six decimals as whole micro-dollars; `None` for anything else, and beyond 64 bits.
fn micro_usd(number: &str) -> Option<MicroUsd> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_good = !whole.is_empty() && plain(whole) && plain(fraction);
    if !is_good || fraction.len() > DECIMALS || number.ends_with('.') {
        return None;
    }
    format!("{whole}{fraction:0<DECIMALS$}").parse().ok().map(MicroUsd)
}

/// The beginning of what a source said: an error page is not a line of the log.
fn shown(text: &str) -> String {
    const LENGTH: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    let begin: String = line.chars().take(LENGTH).collect();
    if begin.len() < text.len() { format!("{begin}…") } else { begin }
}

/// Whether a view is to be fed now: it moved by half a percent, or the last one is half stale. `last` is what the ledger has of
/// this validator in the current set.
pub(super) fn is_due(
    seen: MicroUsd,
    last: Option<(MicroUsd, TimeMs)>,
    now: TimeMs,
    stale_ms: u64,
) -> bool {
    let Some((fed, at)) = last else { return true };
    let moved = u128::from(seen.0.abs_diff(fed.0)) * PPM >= u128::from(fed.0) * MOVED_PPM;
    moved || now.0.saturating_sub(at.0) >= stale_ms / AGED_DIVISOR
}

/// Pause between two looks, wall time: what the operator asks for, or less where network time runs so fast that a view would
/// stop counting meanwhile.
pub(super) fn pause(every: Duration, stale_ms: u64, time_scale: u64) -> Duration {
    every.min(Duration::from_millis(stale_ms / LOOKS / time_scale.max(1)))
}
