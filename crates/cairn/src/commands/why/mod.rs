//! `cairn why`: the income of a device, or of a provider with all its devices, against another period's, cause by cause.
//!
//! Every cause is in money, the parts add up exactly, and each names the files, leaves and numbered rejections it rests on.
//! Sectors come from the sector table: what a new one needs here is an entry there (docs/spec/reality.md).

mod screen;

use std::collections::BTreeMap;

use alloy_primitives::Address;
use cairn_evidence::why::{EpochView, Waterfall};
use cairn_primitives::{DeviceId, Epoch, Sector};
use cairn_sectors::Rejection;
use eyre::{Result, WrapErr as _, bail, eyre};
use serde_json::{Value, json};

use crate::{cli::WhyArgs, session::Session};

/// Whose income is explained.
enum Subject {
    Device(DeviceId, Sector),
    Provider(Address, BTreeMap<Sector, Vec<DeviceId>>),
}

/// Explains a period against another. Two epochs are in memory at a time, however long the periods are.
pub async fn why(args: &WhyArgs) -> Result<()> {
    let session = Session::open(&args.network).await?;
    let subject = subject(&session, &args.device).await?;
    let pairs = pairs(&session, args).await?;
    let of = match &subject {
        Subject::Device(id, sector) => BTreeMap::from([(*sector, vec![*id])]),
        Subject::Provider(_, sectors) => sectors.clone(),
    };
    let mut waterfalls: Vec<Waterfall> = of.keys().copied().map(Waterfall::new).collect();
    let mut last = None;
    for (before, after) in &pairs {
        let before = match before {
            Some(epoch) => Some(view(&session, *epoch).await?),
            None => None,
        };
        let after = view(&session, *after).await?;
        for (waterfall, devices) in waterfalls.iter_mut().zip(of.values()) {
            waterfall.add(devices, before.as_ref(), &after);
        }
        last = Some(after);
    }
    let names = screen::Names::of(&session);
    let value = to_json(&session, &subject, &pairs, &waterfalls, last.as_ref());
    session.output.answer(&value, || {
        let head = match &subject {
            Subject::Device(id, _) => screen::device(&names, *id, &pairs, last.as_ref()),
            Subject::Provider(owner, sectors) => screen::provider(*owner, sectors, &pairs),
        };
        let parts = waterfalls.iter().map(|waterfall| screen::waterfall(&names, waterfall));
        std::iter::once(head).chain(parts).collect::<Vec<_>>().join("\n\n")
    });
    Ok(())
}

/// A device by station or id, else a provider by address or by the name of its account. A name of both is the station's.
async fn subject(session: &Session, name: &str) -> Result<Subject> {
    let is_station = session.endpoints.as_ref().is_some_and(|e| e.stations.contains_key(name));
    let owner = match name.parse::<Address>() {
        _ if is_station => None,
        Ok(owner) => Some(owner),
        Err(_) => session.folder.wallet(name).ok().map(|wallet| wallet.address()),
    };
    let Some(owner) = owner else {
        let device = session.device(name).await?;
        return Ok(Subject::Device(device.record.id, device.record.sector));
    };
    let mut sectors: BTreeMap<Sector, Vec<DeviceId>> = BTreeMap::new();
    for device in session.devices().await? {
        if device.record.owner == owner {
            sectors.entry(device.record.sector).or_default().push(device.record.id);
        }
    }
    if sectors.is_empty() {
        bail!("{owner} owns no device");
    }
    Ok(Subject::Provider(owner, sectors))
}

/// An epoch of the period, with the one at the same place in the period it is compared with.
type Pair = (Option<Epoch>, Epoch);

/// The epochs that are compared.
async fn pairs(session: &Session, args: &WhyArgs) -> Result<Vec<Pair>> {
    let last = session.last_final().await?.ok_or_else(|| eyre!("no epoch is final yet"))?;
    let epoch = args.epoch.map_or(last, Epoch);
    if epoch > last {
        bail!("--epoch is {epoch}: the last final epoch is {last}");
    }
    let first = (epoch.0 + 1).checked_sub(args.epochs).map(Epoch).ok_or_else(|| {
        eyre!("--epochs is {}: there are {} epochs up to epoch {epoch}", args.epochs, epoch.0 + 1)
    })?;
    let against = args.against.map(Epoch).or_else(|| first.previous());
    if let Some(against) = against.filter(|against| *against > last) {
        bail!("--against is {against}: the last final epoch is {last}");
    }
    let before = |now: u64| against?.0.checked_sub(epoch.0 - now).map(Epoch);
    Ok((first.0..=epoch.0).map(|now| (before(now), Epoch(now))).collect())
}

async fn view(session: &Session, epoch: Epoch) -> Result<EpochView> {
    let [inputs, verdicts, scores, rewards] = EpochView::FILES;
    let files = [
        session.epoch_file(epoch, inputs).await?.into(),
        session.epoch_file(epoch, verdicts).await?.into(),
        session.epoch_file(epoch, scores).await?.into(),
        session.epoch_file(epoch, rewards).await?.into(),
    ];
    EpochView::read(&files).wrap_err_with(|| format!("reading the files of epoch {epoch}"))
}

fn to_json(
    session: &Session,
    subject: &Subject,
    pairs: &[Pair],
    waterfalls: &[Waterfall],
    last: Option<&EpochView>,
) -> Value {
    let mut value = json!({
        "epoch": pairs.last().map(|(_, after)| after),
        "against": pairs.last().and_then(|(before, _)| *before),
        "epochs": pairs.len(),
    });
    match (subject, waterfalls) {
        (Subject::Device(id, sector), [one]) => {
            value["device"] = json!(id);
            value["station"] = json!(session.station_of(*id));
            value["sector"] = json!(sector);
            money(&mut value, one);
            if let Some(view) = last {
                of_epoch(&mut value, *id, view);
            }
        }
        (Subject::Provider(owner, sectors), _) => {
            value["provider"] = json!(owner);
            value["devices"] = json!(sectors.values().flatten().collect::<Vec<_>>());
            let each = waterfalls.iter().map(|waterfall| {
                let mut value = json!({ "sector": waterfall.sector });
                money(&mut value, waterfall);
                value
            });
            value["sectors"] = each.collect();
        }
        (Subject::Device(..), _) => {}
    }
    value
}

fn money(value: &mut Value, waterfall: &Waterfall) {
    value["earned_usd"] = json!(waterfall.earned.to_string());
    value["subsidy_usd"] = json!(waterfall.subsidy.to_string());
    value["total_usd"] = json!(waterfall.after().to_string());
    value["before_usd"] = json!(waterfall.before.to_string());
    value["causes"] = json!(waterfall.causes);
}

/// What the last epoch of the period says about a device.
fn of_epoch(value: &mut Value, id: DeviceId, view: &EpochView) {
    let score = view.score(id);
    let rejection = score.and_then(|score| score.rejection);
    let refused = view.verdicts.iter().filter(|leaf| leaf.device == id);
    let refused: Vec<_> = refused.filter_map(|leaf| leaf.rejection).map(Rejection::name).collect();
    value["score_permille"] = json!(score.map(|score| score.score));
    value["rank"] = json!(view.input(id).rank);
    value["rejection"] = json!(rejection.map(Rejection::name));
    value["rejection_code"] = json!(rejection.map(|r| Rejection::code_of(Some(r))));
    value["detail"] = json!(score.and_then(|score| score.detail.clone()));
    value["refused_batches"] = json!(refused);
}
