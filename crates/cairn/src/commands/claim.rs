//! `cairn claim`: rewards pulled with their Merkle proofs, many epochs in one transaction.
//!
//! An account that claimed for years is not asked about every epoch again: `claims/NAME.json` in the folder remembers
//! the first epoch of which the ledger may still owe it something. The ledger is what fills it, and what decides: a note
//! of another network or account is not used, and without one the walk begins at epoch 0.

use std::{collections::BTreeSet, path::PathBuf};

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolEvent as _;
use cairn_client::{BlockTag, Claim, Reads as _, Sender};
use cairn_economy::Reward;
use cairn_primitives::{DeviceId, Digest, Epoch, Genesis, Stones, abi::IRewards};
use eyre::{Result, WrapErr as _};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    cli::ClaimArgs,
    output::{stones, usd},
    session::{Session, proof_of},
};

/// Rewards claimed in one transaction.
const CLAIMS_PER_TX: usize = 32;

/// What was paid out by one or more claims.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paid {
    /// Rewards of which at least one part was paid.
    pub rewards: usize,
    /// Earned from consumers.
    pub earned: Stones,
    /// Subsidy.
    pub subsidy: Stones,
}

/// Claims for one account, or for all whose keys are in the folder.
pub async fn claim(args: &ClaimArgs) -> Result<()> {
    let session = Session::open(&args.network).await?;
    let names = match &args.account {
        Some(name) => vec![name.clone()],
        None => session.folder.accounts()?,
    };
    let price = session.client.price(BlockTag::Latest).await?;
    let mut lines = Vec::new();
    let mut text = Vec::new();
    for name in names {
        let sender = session.sender(&name)?;
        let paid = claim_unlocked(&session, &name, &sender)
            .await
            .wrap_err_with(|| format!("claiming for {name}"))?;
        let (earned, subsidy) =
            (paid.earned.to_micro_usd_floor(price), paid.subsidy.to_micro_usd_floor(price));
        lines.push(json!({
            "account": name, "rewards": paid.rewards, "earned_usd": earned.to_string(), "subsidy_usd": subsidy.to_string(),
            "earned_stones": paid.earned.to_string(), "subsidy_stones": paid.subsidy.to_string(),
        }));
        if paid.rewards > 0 || args.account.is_some() {
            let total = Stones(paid.earned.0 + paid.subsidy.0);
            text.push(format!(
                "{name}: {} rewards, earned {}, subsidy {} ({})",
                paid.rewards,
                usd(earned),
                usd(subsidy),
                stones(total)
            ));
        }
    }
    session.output.answer(&json!({ "claims": lines }), || {
        if text.is_empty() { "nothing is unlocked yet".to_owned() } else { text.join("\n") }
    });
    Ok(())
}

/// Claims everything of the sender's account that is unlocked and unpaid.
async fn claim_unlocked(session: &Session, name: &str, sender: &Sender) -> Result<Paid> {
    let owner = sender.address();
    let mut cursor = Cursor::read(session, name, owner).await;
    let found = unlocked(session, owner, &cursor).await?;
    let paid = claim_all(sender, &found.claims).await?;
    if found.owed_from != cursor.owed_from || found.devices != cursor.devices {
        (cursor.owed_from, cursor.devices) = (found.owed_from, found.devices);
        cursor.write(session, name)?;
    }
    Ok(paid)
}

/// From which epoch on the ledger may owe an account something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    genesis: Digest,
    owner: Address,
    /// The devices that were the owner's; another one may have rewards in any epoch.
    devices: BTreeSet<DeviceId>,
    owed_from: Epoch,
}

impl Cursor {
    fn path(session: &Session, name: &str) -> PathBuf {
        let key = session.folder.key(name).with_extension("json");
        let claims = session.folder.root().join("claims");
        key.file_name().map_or_else(|| claims.clone(), |file| claims.join(file))
    }

    /// The cursor of an account; at epoch 0 where there is none, or it is of another network or account.
    async fn read(session: &Session, name: &str, owner: Address) -> Self {
        let genesis = match session.client.genesis().await {
            Ok(text) => Genesis::hash_of_text(&text),
            Err(_) => Digest::ZERO,
        };
        let kept = std::fs::read(Self::path(session, name)).ok();
        let kept = kept.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        let fits = |cursor: &Self| {
            (cursor.genesis, cursor.owner) == (genesis, owner) && genesis != Digest::ZERO
        };
        kept.filter(fits).unwrap_or_else(|| Self {
            genesis,
            owner,
            devices: BTreeSet::new(),
            owed_from: Epoch(0),
        })
    }

    fn write(&self, session: &Session, name: &str) -> Result<()> {
        let path = Self::path(session, name);
        let folder = path.parent().expect("the path was joined from a folder");
        let partial = path.with_extension("partial");
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&partial, serde_json::to_vec(self)?))
            .and_then(|()| std::fs::rename(&partial, &path))
            .wrap_err_with(|| format!("writing {}", path.display()))
    }
}

async fn claim_all(sender: &Sender, claims: &[Claim]) -> Result<Paid> {
    let mut paid = Paid::default();
    for some in claims.chunks(CLAIMS_PER_TX) {
        let sent = sender.claim_many(some).await?;
        for log in sent.receipt.inner.logs() {
            let Some((earned, subsidy)) = claimed(&log.inner) else { continue };
            paid.rewards += 1;
            paid.earned.0 += earned;
            paid.subsidy.0 += subsidy;
        }
    }
    Ok(paid)
}

/// Earned and subsidy stones of a `Claimed` event; `None` for any other log.
fn claimed(log: &alloy_primitives::Log) -> Option<(u128, u128)> {
    let event = IRewards::Claimed::decode_log(log).ok()?;
    Some((u128::try_from(event.earnedStones).ok()?, u128::try_from(event.subsidyStones).ok()?))
}

/// What an account can claim now, and from where to look the next time.
struct Unlocked {
    /// Every reward with a part that is unlocked, unpaid and above zero, the oldest epoch first.
    claims: Vec<Claim>,
    devices: BTreeSet<DeviceId>,
    /// The first epoch with a reward that the ledger has not paid in full.
    owed_from: Epoch,
}

async fn unlocked(session: &Session, owner: Address, cursor: &Cursor) -> Result<Unlocked> {
    let client = &session.client;
    let now = client.current_epoch(BlockTag::Latest).await?;
    let owned = session.devices().await?;
    let owned = owned.iter().filter(|device| device.record.owner == owner);
    let devices: BTreeSet<DeviceId> = owned.map(|device| device.record.id).collect();
    let known = devices == cursor.devices;
    let begin = if known { cursor.owed_from } else { Epoch(0) };
    let mut found = Unlocked { claims: Vec::new(), devices, owed_from: begin };
    let (false, Some(last)) = (found.devices.is_empty(), session.last_final().await?) else {
        return Ok(found);
    };
    let mut owing = false;
    for epoch in (begin.0..=last.0).map(Epoch) {
        let (earned_from, subsidy_from) = client.unlocks(epoch, BlockTag::Latest).await?;
        if now < earned_from {
            break;
        }
        let rewards = session.rewards(epoch).await?;
        let mine = rewards.iter().enumerate().filter(|(_, reward)| reward.owner == owner);
        for (index, reward) in mine {
            let done = client.claimed(epoch, reward.device, BlockTag::Latest).await?;
            let earned = reward.earned_stones > Stones::ZERO && done & 1 == 0;
            let subsidy = reward.subsidy_stones > Stones::ZERO && done & 2 == 0;
            if earned || (subsidy && now >= subsidy_from) {
                let proof = proof_of(&rewards, index)?;
                found.claims.push(Claim { reward: to_abi(reward), proof });
            }
            owing |= earned || subsidy;
        }
        if !owing {
            found.owed_from = epoch.next();
        }
    }
    Ok(found)
}

fn to_abi(reward: &Reward) -> IRewards::Reward {
    IRewards::Reward {
        epoch: reward.epoch.0,
        sector: reward.sector.number(),
        device: reward.device.0.into(),
        owner: reward.owner,
        earnedMicroUsd: reward.earned.0,
        earnedStones: U256::from(reward.earned_stones.0),
        subsidyMicroUsd: reward.subsidy.0,
        subsidyStones: U256::from(reward.subsidy_stones.0),
    }
}

/// Claims, from one account and for all owners, what unlocks in epoch `now`: the earned part of one epoch and the subsidy
/// of another. Anyone may claim for anyone; the ledger pays the owner. For a local network, where nobody shall wait.
pub async fn claim_for_all(session: &Session, genesis: &Genesis, now: Epoch) -> Result<Paid> {
    let unlocking = |locked_epochs: u64| now.0.checked_sub(1 + locked_epochs).map(Epoch);
    let mut claims = Vec::new();
    let epochs =
        [unlocking(genesis.economy.dispute_epochs), unlocking(genesis.economy.vesting_epochs)];
    for epoch in epochs.into_iter().flatten() {
        let rewards = session.rewards(epoch).await?;
        for (index, reward) in rewards.iter().enumerate() {
            let done = session.client.claimed(epoch, reward.device, BlockTag::Latest).await?;
            if is_open(genesis, reward, done, now) {
                claims.push(Claim { reward: to_abi(reward), proof: proof_of(&rewards, index)? });
            }
        }
    }
    if claims.is_empty() {
        return Ok(Paid::default());
    }
    claim_all(&session.sender("keeper")?, &claims).await
}

/// Whether a part of `reward` above zero is unlocked in epoch `now` and not paid; `done` is what `claimed` says.
fn is_open(genesis: &Genesis, reward: &Reward, done: u8, now: Epoch) -> bool {
    let unlocked = |locked_epochs: u64| now.0 > reward.epoch.0 + locked_epochs;
    let earned = reward.earned_stones > Stones::ZERO
        && done & 1 == 0
        && unlocked(genesis.economy.dispute_epochs);
    let subsidy = reward.subsidy_stones > Stones::ZERO
        && done & 2 == 0
        && unlocked(genesis.economy.vesting_epochs);
    earned || subsidy
}
