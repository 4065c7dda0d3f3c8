//! Lazy verifiers: the operator of a seat whose node verifies nothing. It attests to files that it never fetched and votes by
//! hand: with the result that the others have agreed on already, with or without another's seal, or with one that it made up.
//!
//! The seat is one of genesis; its node runs consensus like the others, so that presence is no question here. What it earns
//! is its candidate's income, what it loses its bond. The blocks that it proposes are work that it does: their fees are no
//! profit of laziness. So its income counts from the first vote on that was paid, all of it, and not before.

use std::convert::Infallible;

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolEvent as _;
use cairn_client::{
    BlockTag, Call, LedgerRead as _, LogFilter, Reads as _, Sender, StakeReads as _,
};
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

/// Phase of `IBatches.Status`.
const ATTESTING: u8 = 2;
/// Epochs before the next one to become final that may still be voted for (docs/spec/rewards.md §4).
const LATE_EPOCHS: u64 = 8;
/// Blocks back in which the seals of an epoch are looked for.
const SEAL_BLOCKS: u64 = 200;

/// What the operator does now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Waits for the result and votes for it.
    Copy,
    /// Seals what another has sealed, and votes for the result that is final.
    CopySeal,
    /// Votes first, for a result that it made up.
    Invent,
}

/// The operator of the idle seat.
pub struct Lazy<'a> {
    world: &'a World<'a>,
    sender: Sender,
    habit: std::cell::Cell<Habit>,
    /// Epochs before this one have its vote, or the ledger's refusal of it.
    voted: std::cell::Cell<u64>,
    /// Votes that the ledger took, and refused.
    taken: std::cell::Cell<(u64, u64)>,
    /// Epochs before this one have its seal.
    sealed: std::cell::Cell<u64>,
    /// The epoch for which it made something up.
    invented: std::cell::Cell<Option<Epoch>>,
}

impl<'a> Lazy<'a> {
    /// The operator of seat `index` of genesis.
    pub fn new(world: &'a World<'a>, index: usize) -> Self {
        let sender = world.validator(index);
        let habit = std::cell::Cell::new(Habit::Copy);
        let (voted, taken, sealed, invented) = Default::default();
        Self { world, sender, habit, voted, taken, sealed, invented }
    }

    /// Attests and votes until it is dropped; trouble is tried again.
    pub async fn run(&self) -> Infallible {
        loop {
            if let Err(error) = self.attest().await {
                tracing::debug!("the lazy seat's attestation is tried again: {error:#}");
            }
            if let Err(error) = self.seal().await {
                tracing::debug!("the lazy seat's seal is tried again: {error:#}");
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

    /// Seals while votes are not open: what another sealed, or what it makes up.
    async fn seal(&self) -> Result<()> {
        let (client, next) = (self.world.client(), self.world.next_final().await?);
        let ballot = client.ballot(next, SECTOR, BlockTag::Latest).await?;
        if ballot.open || ballot.opensMs == 0 || self.sealed.get() > next.0 {
            return Ok(());
        }
        match self.habit.get() {
            Habit::Copy => return Ok(()),
            Habit::CopySeal => {
                let Some(seen) = self.seal_of_another(next).await? else { return Ok(()) };
                let call = IRewards::sealCall {
                    epoch: next.0,
                    sector: SECTOR.number(),
                    round: ballot.round,
                    voteSeal: seen,
                };
                self.sender.send_system_and_wait(&Call::new(abi::REWARDS, &call)).await?;
            }
            Habit::Invent => {
                if self.invented.get().is_some() {
                    return Ok(());
                }
                let result = self.made_up(next).await?;
                self.sender.seal(next, SECTOR, ballot.round, result).await?;
                self.invented.set(Some(next));
            }
        }
        self.sealed.set(next.0 + 1);
        Ok(())
    }

    /// The first seal of an epoch that is another's.
    async fn seal_of_another(&self, epoch: Epoch) -> Result<Option<B256>> {
        let head = self.world.client().latest().await?.number;
        let filter = LogFilter {
            address: Some(abi::REWARDS),
            topics: vec![Some(IRewards::Sealed::SIGNATURE_HASH)],
            from: head.saturating_sub(SEAL_BLOCKS),
            to: Some(head),
        };
        let seals = self.world.client().logs(filter).await?;
        let mut seals = seals.iter().filter_map(cairn_client::LogRecord::event::<IRewards::Sealed>);
        let found =
            seals.find(|seal| seal.epoch == epoch.0 && seal.validator != self.sender.address());
        Ok(found.map(|seal| seal.voteSeal))
    }

    async fn vote(&self) -> Result<()> {
        let (client, next) = (self.world.client(), self.world.next_final().await?);
        // A vote that it made up is cast in time, with its own seal.
        if self.invented.get() == Some(next) && self.voted.get() <= next.0 {
            let ballot = client.ballot(next, SECTOR, BlockTag::Latest).await?;
            if ballot.open {
                let result = self.made_up(next).await?;
                self.cast(next, ballot.round, result).await?;
            }
            return Ok(());
        }
        let first = self.voted.get().max(next.0.saturating_sub(LATE_EPOCHS));
        for epoch in (first..next.0).map(Epoch) {
            let round = client.batch_status(epoch, SECTOR, BlockTag::Latest).await?.round;
            let result = client.result(epoch, SECTOR, BlockTag::Latest).await?;
            self.cast(epoch, round, result).await?;
        }
        Ok(())
    }

    /// Votes; that the ledger refuses is an answer too.
    async fn cast(&self, epoch: Epoch, round: u32, result: IRewards::Result) -> Result<()> {
        let (mut taken, mut refused) = self.taken.get();
        match self.sender.vote(epoch, SECTOR, round, result).await {
            Err(error) if error.revert().is_some() => refused += 1,
            sent => {
                sent?;
                taken += 1;
            }
        }
        self.taken.set((taken, refused));
        self.voted.set(epoch.0 + 1);
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

    /// All cases, after the others: what copying brought since the network began, and what one invention costs.
    pub async fn count(&self) -> Result<Attack> {
        let mut best = Cases::new("lazy verifier");
        let (world, me) = (self.world, self.sender.address());
        let price = world.genesis().price();
        let bond = world.bond_of(me)?;
        let begin = Holdings { stones: bond, ..Holdings::default() };
        let copied = self.end_of_term().await?;
        let mut others = Vec::new();
        for validator in world.client().validators(BlockTag::Latest).await? {
            if validator.operator != me {
                let stake = self.stake_of(validator.operator).await?;
                others.push(MicroUsd(u64::try_from(stake.since(begin, price)).unwrap_or(0)));
            }
        }
        told(&format!("lazy verifier: seats that verify earned {others:?} µUSD"));
        best.see("the final result copied", self.profit(begin, copied, price).await?);

        self.habit.set(Habit::CopySeal);
        let sealed = self.end_of_term().await?;
        best.see("seals copied as well", self.profit(copied, sealed, price).await?);

        self.habit.set(Habit::Invent);
        world.until("a made-up vote", async || Ok(self.invented.get().is_some())).await?;
        let epoch = self.invented.get().ok_or_else(|| eyre!("nothing was made up"))?;
        world.until_final(epoch).await?;
        world.until("the made-up vote", async || Ok(self.voted.get() > epoch.0)).await?;
        let reporter = world.sender("reporter");
        let slash = reporter.report_wrong_vote(epoch.0, SECTOR, me).await;
        let slash = slash.wrap_err("reporting the made-up vote")?;
        told(&format!("lazy verifier: slash {} is pending for epoch {epoch}", slash.id));
        let slashed = self.end_of_term().await?;
        // The invented vote was sealed, so that all income counts here, fees of blocks included.
        best.see("a vote made up, and reported", slashed.since(sealed, price));
        Ok(best.attack("lazy-verifier", "A validator that votes without verifying"))
    }

    /// What a time of copying brought: all income, if a single vote was paid in any term so far, and else what the bond lost.
    async fn profit(&self, before: Holdings, after: Holdings, price: MicroUsd) -> Result<i128> {
        let (client, me) = (self.world.client(), self.sender.address());
        let mut paid = 0;
        for term in 0..client.term(BlockTag::Latest).await?.current {
            paid += client.presence(term, me, BlockTag::Latest).await?.voted;
        }
        let (taken, refused) = self.taken.get();
        told(&format!("lazy verifier: {taken} votes taken, {refused} refused, {paid} paid"));
        let all = after.since(before, price);
        Ok(if paid == 0 { all.min(0) } else { all })
    }

    /// Waits until another term has begun, lets the income of this one be divided, and says what the seat has then.
    async fn end_of_term(&self) -> Result<Holdings> {
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
        self.stake_of(self.sender.address()).await
    }

    /// Bond and income of an operator.
    async fn stake_of(&self, operator: Address) -> Result<Holdings> {
        let found = self.world.client().candidate(operator, BlockTag::Latest).await?;
        let found = found.ok_or_else(|| eyre!("{operator} is no candidate"))?;
        let stones = found.bond.saturating_add(found.income).saturating_to();
        Ok(Holdings { stones, ..Holdings::default() })
    }
}
