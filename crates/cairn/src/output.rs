//! What a person reads and what a program reads: dollars first, stones second, one JSON object per answer.

use std::io::{IsTerminal as _, Write as _};

use cairn_primitives::{MicroUsd, STONE, Stones, TimeMs};
use serde_json::Value;

/// Where answers go: text for people or JSON lines for programs.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// JSON lines instead of text.
    pub json: bool,
}

impl Output {
    /// Prints one answer: `text` for people, `value` on one line for programs.
    pub fn answer(self, value: &Value, text: impl FnOnce() -> String) {
        let line = if self.json { value.to_string() } else { text() };
        // A reader that went away (`| head`) is no failure of the command.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    /// Whether progress bars make sense.
    pub fn interactive(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }
}

/// Dollars as people read them: four decimals, more where the amount is small, never rounded up.
pub fn usd(amount: MicroUsd) -> String {
    let decimals = if amount.0 != 0 && amount.0 < 10_000 { 6 } else { 4 };
    let text = amount.to_string();
    format!("${}", &text[..text.len() - (6 - decimals)])
}

/// Stones as people read them: six decimals, rounded down.
pub fn stones(amount: Stones) -> String {
    format!("{}.{:06} STONE", amount.0 / STONE, amount.0 % STONE / 1_000_000_000_000)
}

/// Parses dollars as people type them: `5`, `0.05`, `$1.25`.
pub fn parse_usd(field: &str, text: &str) -> Result<MicroUsd, String> {
    let wrong =
        || format!("{field} is `{text}`: write dollars with at most six decimals, like 0.05");
    let digits = text.trim().trim_start_matches('$');
    let micro = fixed_point(digits, 6).ok_or_else(wrong)?;
    u64::try_from(micro).map(MicroUsd).map_err(|_| wrong())
}

/// Parses stones as people type them: `5`, `0.05`, with at most 18 decimals.
pub fn parse_stones(field: &str, text: &str) -> Result<Stones, String> {
    let wrong =
        || format!("{field} is `{text}`: write stones with at most 18 decimals, like 100 or 0.5");
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let empty = whole.is_empty() && fraction.is_empty();
    if empty || !plain(whole) || !plain(fraction) || fraction.len() > 18 {
        return Err(wrong());
    }
    format!("{whole}{fraction:0<18}").parse().map(Stones).map_err(|_| wrong())
}

/// A network time as people read it: UTC, to the second.
pub fn when(time: TimeMs) -> String {
    let seconds = i64::try_from(time.0 / 1_000).unwrap_or(i64::MAX);
    let utc = time::OffsetDateTime::from_unix_timestamp(seconds).ok();
    let text = utc.and_then(|utc| {
        utc.format(time::macros::format_description!(
            "[year]-[month]-[day] [hour]:[minute]:[second] UTC"
        ))
        .ok()
    });
    text.unwrap_or_else(|| format!("{} ms", time.0))
}

/// Millionths as people read them: `5 %`, `0.05 %`.
pub fn percent(ppm: u32) -> String {
    let fraction = format!("{:04}", ppm % 10_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction} %", ppm / 10_000)
}

/// Parses a decimal number into an integer of `decimals` fixed decimals; `None` when it is none or has more.
pub fn fixed_point(text: &str, decimals: usize) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty())
        || !plain(whole)
        || !plain(fraction)
        || fraction.len() > decimals
    {
        return None;
    }
    let value: i64 = format!("{whole}{fraction:0<decimals$}").parse().ok()?;
    Some(if negative { -value } else { value })
}

/// Columns aligned for a terminal; the first row is the head.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        rows.iter().filter_map(|row| row.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_reads_and_parses() {
        assert_eq!(usd(MicroUsd(1_250_000)), "$1.2500");
        assert_eq!(usd(MicroUsd(123)), "$0.000123");
        assert_eq!(stones(Stones(STONE / 2)), "0.500000 STONE");
        for (text, expected) in
            [("5", 5_000_000), ("0.05", 50_000), ("$1.25", 1_250_000), (".5", 500_000)]
        {
            assert_eq!(parse_usd("usd", text), Ok(MicroUsd(expected)), "{text}");
        }
        for text in ["", "-1", "1.2345678", "five", "1e3", "."] {
            assert!(parse_usd("usd", text).is_err(), "{text}");
        }
        assert_eq!(fixed_point("-73.7781", 7), Some(-737_781_000));
        assert_eq!(parse_stones("bond", "100.5"), Ok(Stones(100 * STONE + STONE / 2)));
        for text in ["", ".", "-1", "1e3", "0.0000000000000000001", "9".repeat(40).as_str()] {
            assert!(parse_stones("bond", text).is_err(), "{text}");
        }
        assert_eq!(when(TimeMs(1_357_000_000_999)), "2013-01-01 00:26:40 UTC");
        assert_eq!((percent(50_000), percent(1_500)), ("5 %".to_owned(), "0.15 %".to_owned()));
    }
}
