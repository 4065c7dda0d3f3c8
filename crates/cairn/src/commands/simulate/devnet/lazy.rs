//! Lazy verifiers: the operator of a seat whose node verifies nothing. It attests to files that it never fetched and votes by
//! hand, with the result that the others have agreed on already, or with one that it made up.
//!
//! The seat is one of genesis; its node runs consensus like the others, so that presence is no question here. What it earns
//! is its candidate's income, what it loses its bond.

use std::convert::Infallible;

use alloy_primitives::{Address, B256, U256};
use cairn_client::{BlockTag, Call, Reads as _, Sender, StakeReads as _};
use cairn_primitives::{
    Digest, Epoch, MicroUsd,
    abi::{self, IRewards, IStake},
};
use cairn_sim::economy::attacks::Attack;
use eyre::{Result, WrapErr as _, eyre};

use super::{
    Cases,
    account::Holdings,
    told,
    world::{POLL, World},
};
use crate::session::SECTOR;

/// Phases of `IBatches.Status`.
const ATTESTING: u8 = 2;
const FROZEN: u8 = 3;
/// Epochs before the next one to become final that may still be voted for (docs/spec/rewards.md §4).
const LATE_EPOCHS: u64 = 8;

/// What the operator does now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Waits for the result and votes for it.
    Copy,
    /// Votes first, for a result that it made up.
    Invent,
}

/// The operator of the idle seat.
pub struct Lazy<'a> {
    world: &'a World<'a>,
    sender: Sender,
    habit: std::cell::Cell<Habit>,
    /// Epochs before this one have its vote.
    voted: std::cell::Cell<u64>,
    /// The epoch for which it made something up.
    invented: std::cell::Cell<Option<Epoch>>,
}

impl<'a> Lazy<'a> {
    /// The operator of seat `index` of genesis.
    pub fn new(world: &'a World<'a>, index: usize) -> Self {
        let sender = world.validator(index);
        let habit = std::cell::Cell::new(Habit::Copy);
        Self { world, sender, habit, voted: Default::default(), invented: Default::default() }
    }

    /// Attests and votes until it is dropped; trouble is tried again.
    pub async fn run(&self) -> Infallible {
        loop {
            if let Err(error) = self.attest().await {
                tracing::debug!("the lazy seat's attestation is tried again: {error:#}");
            }
            if let Err(error) = self.vote().await {
                tracing::debug!("the lazy seat's vote is tried again: {error:#}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Says that it holds everything that was committed.
    async fn attest(&self) -> Result<()> {
        let client = self.world.client();
        for epoch in (self.world.next_final().await?.0..self.world.epoch().await?.0).map(Epoch) {
            let status = client.batch_status(epoch, SECTOR, BlockTag::Latest).await?;
            if status.phase != ATTESTING {
                continue;
            }
            let mut held = U256::ZERO;
            for index in 0..usize::try_from(status.commitments)? {
                held.set_bit(index, true);
            }
            match self.sender.attest(epoch, SECTOR, held).await {
                // It attested already; the others have not yet.
                Err(error) if error.revert().is_some() => {}
                sent => drop(sent?),
            }
        }
        Ok(())
    }

    async fn vote(&self) -> Result<()> {
        let (client, next) = (self.world.client(), self.world.next_final().await?);
        if self.habit.get() == Habit::Invent {
            let status = client.batch_status(next, SECTOR, BlockTag::Latest).await?;
            if status.phase == FROZEN && self.invented.get().is_none() {
                let result = self.made_up(next).await?;
                self.sender.vote(next, SECTOR, status.round, result).await?;
                self.invented.set(Some(next));
                self.voted.set(next.0 + 1);
                self.habit.set(Habit::Copy);
            }
            return Ok(());
        }
        let first = self.voted.get().max(next.0.saturating_sub(LATE_EPOCHS));
        for epoch in (first..next.0).map(Epoch) {
            let round = client.batch_status(epoch, SECTOR, BlockTag::Latest).await?.round;
            let result = client.result(epoch, SECTOR, BlockTag::Latest).await?;
            match self.sender.vote(epoch, SECTOR, round, result).await {
                Err(error) if error.revert().is_some() => {}
                sent => drop(sent?),
            }
            self.voted.set(epoch.0 + 1);
        }
        Ok(())
    }

    /// A result that the ledger takes from one voter: the pool's earnings, no subsidy, and roots of nothing.
    async fn made_up(&self, epoch: Epoch) -> Result<IRewards::Result> {
        let pool = self.world.client().pool(epoch, SECTOR, BlockTag::Latest).await?;
        let root = B256::from(Digest::of(&[b"nobody looked"]).0);
        Ok(IRewards::Result {
            verdictRoot: root,
            scoreRoot: root,
            rewardRoot: root,
            devices: 1,
            earnedStones: pool.earnedStones,
            subsidyStones: U256::ZERO,
            usageMicroUsd: 0,
            needMicroUsd: 0,
        })
    }

    /// Both cases, after the others: what copying brought since the network began, and what one invention costs.
    pub async fn count(&self) -> Result<Attack> {
        let mut best = Cases::new("lazy verifier");
        let (world, me) = (self.world, self.sender.address());
        let price = world.genesis().price();
        let bond = world.bond_of(me)?;
        let begin = Holdings { stones: bond, ..Holdings::default() };
        self.end_of_term().await?;
        let copied = self.stake_of(me).await?;
        let mut others = Vec::new();
        for validator in world.client().validators(BlockTag::Latest).await? {
            if validator.operator != me {
                let stake = self.stake_of(validator.operator).await?;
                others.push(MicroUsd(u64::try_from(stake.since(begin, price)).unwrap_or(0)));
            }
        }
        told(&format!("lazy verifier: seats that verify earned {others:?} µUSD"));
        best.see("votes copied from the final result", copied.since(begin, price));

        self.habit.set(Habit::Invent);
        world.until("a made-up vote", async || Ok(self.invented.get().is_some())).await?;
        let epoch = self.invented.get().ok_or_else(|| eyre!("nothing was made up"))?;
        world.until_final(epoch).await?;
        let reporter = world.sender("reporter");
        let slash = reporter.report_wrong_vote(epoch.0, SECTOR, me).await;
        let slash = slash.wrap_err("reporting the made-up vote")?;
        told(&format!("lazy verifier: slash {} is pending for epoch {epoch}", slash.id));
        self.end_of_term().await?;
        best.see("a vote made up, and reported", self.stake_of(me).await?.since(copied, price));
        Ok(best.attack("lazy-verifier", "A validator that votes without verifying"))
    }

    /// Waits until another term has begun, so that the income of this one can be divided, and lets it be divided.
    async fn end_of_term(&self) -> Result<()> {
        let (world, client) = (self.world, self.world.client());
        let now = client.term(BlockTag::Latest).await?.current;
        world
            .until("a new term", async || Ok(client.term(BlockTag::Latest).await?.current > now))
            .await?;
        let reporter = world.sender("reporter");
        for validator in client.validators(BlockTag::Latest).await? {
            let call = IStake::settleCall { operator: validator.operator };
            reporter.send_and_wait(&Call::new(abi::STAKE, &call)).await?;
        }
        Ok(())
    }

    /// Bond and income of an operator.
    async fn stake_of(&self, operator: Address) -> Result<Holdings> {
        let found = self.world.client().candidate(operator, BlockTag::Latest).await?;
        let found = found.ok_or_else(|| eyre!("{operator} is no candidate"))?;
        let stones = found.bond.saturating_add(found.income).saturating_to();
        Ok(Holdings { stones, ..Holdings::default() })
    }
}
