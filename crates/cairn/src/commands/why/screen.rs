//! The waterfall for a terminal: a bar a cause, and below it where its verdicts are.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use cairn_evidence::why::{EpochView, Ground, Waterfall};
use cairn_primitives::{DeviceId, Epoch, MicroUsd, Sector};
use cairn_sectors::{Rejection, ScoreLeaf, profile};

use super::Pair;
use crate::{
    output::{table, usd},
    session::Session,
};

/// Length of the longest bar.
const BAR_CHARS: u64 = 24;
/// Digits of a hash that are shown; all of them are in the JSON.
const HASH_CHARS: usize = 18;

/// The stations' names by device.
pub struct Names(BTreeMap<DeviceId, String>);

impl Names {
    /// As far as the folder knows them.
    pub fn of(session: &Session) -> Self {
        let stations = session.endpoints.iter().flat_map(|endpoints| &endpoints.stations);
        Self(stations.map(|(name, entry)| (entry.device, name.clone())).collect())
    }

    fn show(&self, device: DeviceId) -> String {
        self.0.get(&device).cloned().unwrap_or_else(|| device.to_string())
    }
}

/// Which epochs are compared.
fn periods(pairs: &[Pair]) -> String {
    let span = |epochs: &[Epoch]| match (epochs.first()?, epochs.last()?) {
        (first, last) if first == last => Some(format!("epoch {last}")),
        (first, last) => Some(format!("epochs {first} to {last}")),
    };
    let after: Vec<Epoch> = pairs.iter().map(|(_, after)| *after).collect();
    let before: Vec<Epoch> = pairs.iter().filter_map(|(before, _)| *before).collect();
    let after = span(&after).unwrap_or_default();
    match span(&before) {
        Some(before) => format!("{after} against {before}"),
        None => format!("{after}, the network's first"),
    }
}

/// Head of a device's explanation: its last epoch's score.
pub fn device(names: &Names, id: DeviceId, pairs: &[Pair], last: Option<&EpochView>) -> String {
    let station = names.0.get(&id).map_or_else(String::new, |station| format!(" ({station})"));
    let score = last.map_or_else(String::new, |view| score_line(id, view));
    format!("{id}{station}, {}\n{score}", periods(pairs))
}

/// Head of a provider's explanation.
pub fn provider(
    owner: Address,
    sectors: &BTreeMap<Sector, Vec<DeviceId>>,
    pairs: &[Pair],
) -> String {
    let each: Vec<String> = sectors
        .iter()
        .map(|(sector, devices)| format!("{} in {}", devices.len(), sector.name()))
        .collect();
    format!("provider {owner}, {}\ndevices: {}", periods(pairs), each.join(", "))
}

fn score_line(id: DeviceId, view: &EpochView) -> String {
    let Some(leaf) = view.score(id) else { return "not scored in its last epoch".to_owned() };
    let rank = match view.input(id).rank {
        0 => "no rank".to_owned(),
        rank => format!("rank {rank}"),
    };
    let mut line = format!("score {} = {}; {rank} in its cell", leaf.score, parts(leaf));
    if let Some(reason) = leaf.rejection {
        let code = Rejection::code_of(Some(reason));
        line.push_str(&format!("\nits epoch was refused: {} ({code})", reason.name()));
        if let Some(detail) = &leaf.detail {
            line.push_str(&format!(
                ", found {} where {} is allowed (field {})",
                detail.value, detail.limit, detail.field
            ));
            if let Some(other) = detail.other {
                line.push_str(&format!(", compared with {other}"));
            }
        }
    }
    line
}

fn parts(leaf: &ScoreLeaf) -> String {
    let values = [leaf.availability, leaf.neighbour, leaf.deployment, leaf.location];
    let named = profile(leaf.sector).score_parts.into_iter().zip(values);
    named.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(" · ")
}

/// The causes with their bars and grounds.
pub fn waterfall(names: &Names, waterfall: &Waterfall) -> String {
    let largest = waterfall.causes.iter().map(|cause| cause.micro_usd.unsigned_abs()).max();
    let largest = largest.unwrap_or(0).max(1);
    let mut rows = vec![vec!["before".to_owned(), usd(waterfall.before), String::new()]];
    for cause in waterfall.causes.iter().filter(|cause| cause.micro_usd != 0) {
        rows.push(vec![
            format!("  {}", cause.name),
            signed(cause.micro_usd),
            bar(cause.micro_usd, largest),
        ]);
    }
    rows.push(vec!["now".to_owned(), usd(waterfall.after()), String::new()]);
    let mut text = format!(
        "{}: earned {} from consumers, subsidy {}\n{}",
        waterfall.sector.name(),
        usd(waterfall.earned),
        usd(waterfall.subsidy),
        table(&rows)
    );
    let grounds: Vec<String> = waterfall
        .causes
        .iter()
        .flat_map(|cause| cause.grounds.iter().map(|ground| rests_on(names, cause.name, ground)))
        .collect();
    if !grounds.is_empty() {
        text.push_str("\nrests on\n");
        text.push_str(&grounds.join("\n"));
    }
    text
}

/// A bar as long as its part of the largest: full for what was added, hollow for what was taken.
fn bar(micro_usd: i64, largest: u64) -> String {
    let share = u128::from(micro_usd.unsigned_abs()) * u128::from(BAR_CHARS) / u128::from(largest);
    let chars = usize::try_from(share).unwrap_or(0).max(1);
    if micro_usd < 0 { "░".repeat(chars) } else { "█".repeat(chars) }
}

fn rests_on(names: &Names, cause: &str, ground: &Ground) -> String {
    let short = |hash: &dyn std::fmt::Display| hash.to_string().chars().take(HASH_CHARS).collect();
    let mut line = format!(
        "  {cause} {}: {} in epoch {}, {}",
        signed(ground.micro_usd),
        names.show(ground.device),
        ground.epoch,
        ground.file
    );
    if let (Some(leaf), Some(hash)) = (ground.leaf, &ground.leaf_hash) {
        let hash: String = short(hash);
        line.push_str(&format!(" leaf {leaf} ({hash}…)"));
    }
    if let Some(digest) = &ground.sha256 {
        let digest: String = short(digest);
        line.push_str(&format!(", file {digest}…"));
    }
    if let Some(refused) = &ground.rejection {
        line.push_str(&format!(": {} ({})", refused.name, refused.code));
    }
    for batch in &ground.batches {
        let hash: String = short(&batch.batch);
        line.push_str(&format!("; batch {hash}… {} ({})", batch.name, batch.code));
    }
    line
}

fn signed(micro_usd: i64) -> String {
    let sign = if micro_usd < 0 { "-" } else { "+" };
    format!("{sign}{}", usd(MicroUsd(micro_usd.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_part() {
        assert_eq!(bar(100, 100).chars().count(), 24);
        assert_eq!(bar(-50, 100), "░".repeat(12));
        assert_eq!(bar(1, 1_000_000), "█");
        assert_eq!(signed(-1_250_000), "-$1.2500");
    }
}
