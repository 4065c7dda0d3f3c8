//! `cairn devices list|show`: who measures, how well, and what it earns.

use cairn_client::{Device, DeviceStatus};
use cairn_economy::Reward;
use cairn_primitives::{Epoch, MicroUsd};
use cairn_sectors::ScoreLeaf;
use eyre::Result;
use serde_json::{Value, json};

use crate::{
    cli::{DevicesCommand, NetworkArgs},
    output::{stones, table, usd},
    session::Session,
};

/// Epochs of history that `show` lists.
const SHOWN_EPOCHS: u64 = 12;

/// Runs `devices list` or `devices show`.
pub async fn devices(command: &DevicesCommand) -> Result<()> {
    match command {
        DevicesCommand::List(args) => list(args).await,
        DevicesCommand::Show { device, network } => show(device, network).await,
    }
}

async fn list(args: &NetworkArgs) -> Result<()> {
    let session = Session::open(args).await?;
    let devices = session.devices().await?;
    let last = session.last_final().await?;
    let (scores, rewards) = match last {
        None => (Vec::new(), Vec::new()),
        Some(epoch) => (session.scores(epoch).await?, session.rewards(epoch).await?),
    };
    let mut rows = vec![
        ["DEVICE", "STATION", "OWNER", "CELL", "SCORE", "EARNED", "SUBSIDY", "REASON"]
            .map(String::from)
            .to_vec(),
    ];
    let mut values = Vec::new();
    for device in &devices {
        let id = device.record.id;
        let score = scores.iter().find(|leaf| leaf.device == id);
        let reward = rewards.iter().find(|reward| reward.device == id);
        values.push(summary(&session, device, score, reward));
        rows.push(vec![
            id.to_string(),
            session.station_of(id).unwrap_or("-").to_owned(),
            short(&device.record.owner.to_string()),
            device.record.cell.to_string(),
            score.map_or_else(|| "-".into(), |leaf| leaf.score.to_string()),
            usd(reward.map_or(MicroUsd::ZERO, |r| r.earned)),
            usd(reward.map_or(MicroUsd::ZERO, |r| r.subsidy)),
            score
                .and_then(|leaf| leaf.rejection)
                .map_or_else(String::new, |reason| reason.name().to_owned()),
        ]);
    }
    let value = json!({ "epoch": last.map(|e| e.0), "devices": values });
    session.output.answer(&value, || {
        let of = last.map_or_else(
            || "no epoch is final yet".into(),
            |e| format!("epoch {e}, the last final one"),
        );
        format!("{}\n{of}", table(&rows))
    });
    Ok(())
}

async fn show(name: &str, args: &NetworkArgs) -> Result<()> {
    let session = Session::open(args).await?;
    let device = session.device(name).await?;
    let id = device.record.id;
    let mut rows = vec![
        ["EPOCH", "SCORE", "A", "N", "D", "L", "EARNED", "SUBSIDY", "REASON"]
            .map(String::from)
            .to_vec(),
    ];
    let mut history = Vec::new();
    if let Some(last) = session.last_final().await? {
        for epoch in last.back(SHOWN_EPOCHS - 1).0..=last.0 {
            let epoch = Epoch(epoch);
            let scores = session.scores(epoch).await?;
            let rewards = session.rewards(epoch).await?;
            let Some(leaf) = scores.iter().find(|leaf| leaf.device == id) else { continue };
            let reward = rewards.iter().find(|reward| reward.device == id);
            let (earned, subsidy) = reward.map_or_else(Default::default, |r| (r.earned, r.subsidy));
            let reason = leaf.rejection.map(|reason| reason.name());
            history.push(json!({
                "epoch": epoch.0, "score_permille": leaf.score, "availability": leaf.availability, "neighbour": leaf.neighbour,
                "deployment": leaf.deployment, "location": leaf.location, "earned_usd": earned.to_string(),
                "subsidy_usd": subsidy.to_string(), "rejection": reason, "detail": leaf.detail,
            }));
            let part = |value: u16| value.to_string();
            rows.push(vec![
                epoch.to_string(),
                part(leaf.score),
                part(leaf.availability),
                part(leaf.neighbour),
                part(leaf.deployment),
                part(leaf.location),
                usd(earned),
                usd(subsidy),
                reason.unwrap_or_default().to_owned(),
            ]);
        }
    }
    let mut value = summary(&session, &device, None, None);
    value["bond_stones"] = json!(device.bond.to_string());
    value["history"] = Value::Array(history);
    session.output.answer(&value, || {
        let place = device.record.position;
        format!(
            "device {id}{}\nowner {}, {} since epoch {}\ncell {}, latitude {}, longitude {}, {} m above sea level\nbond {}\n\n{}",
            session.station_of(id).map_or_else(String::new, |s| format!(" at station {s}")),
            device.record.owner, status_name(&device), device.record.registered, device.record.cell,
            degrees(place.lat_e7), degrees(place.lon_e7), metres(place.elevation_dm), stones(device.bond), table(&rows),
        )
    });
    Ok(())
}

fn summary(
    session: &Session,
    device: &Device,
    score: Option<&ScoreLeaf>,
    reward: Option<&Reward>,
) -> Value {
    let record = &device.record;
    json!({
        "device": record.id.to_string(), "station": session.station_of(record.id), "owner": record.owner.to_string(),
        "status": status_name(device), "cell": record.cell.to_string(),
        "score_permille": score.map(|leaf| leaf.score), "rejection": score.and_then(|leaf| leaf.rejection).map(|r| r.name()),
        "earned_usd": reward.map(|r| r.earned.to_string()), "subsidy_usd": reward.map(|r| r.subsidy.to_string()),
    })
}

fn status_name(device: &Device) -> &'static str {
    match device.status {
        DeviceStatus::Active => "active",
        DeviceStatus::Left => "left",
        DeviceStatus::Slashed => "slashed",
    }
}

fn short(address: &str) -> String {
    format!("{}…{}", &address[..6], &address[address.len() - 4..])
}

/// Degrees with their seven decimals.
fn degrees(e7: i32) -> String {
    let sign = if e7 < 0 { "-" } else { "" };
    format!("{sign}{}.{:07}", e7.unsigned_abs() / 10_000_000, e7.unsigned_abs() % 10_000_000)
}

fn metres(dm: i32) -> String {
    let sign = if dm < 0 { "-" } else { "" };
    format!("{sign}{}.{}", dm.unsigned_abs() / 10, dm.unsigned_abs() % 10)
}
