//! The book: every block folded once, in order, into rows by epoch.
//!
//! The reserve is replayed with the deployed functions of `cairn_economy`: what settlements drew and what subsidies took is
//! announced by no event. Each opened day announces the reserve, so a replay that went another way is noticed, and what rests
//! on it is then absent instead of wrong.

use std::collections::{BTreeMap, BTreeSet};

use alloy_consensus::{
    Header, ReceiptEnvelope, Transaction as _, TxEnvelope, transaction::Recovered,
};
use alloy_primitives::Address;
use alloy_sol_types::SolCall as _;
use cairn_client::time_of;
use cairn_economy::{EconomyState, part, price};
use cairn_primitives::{
    Cell, DeviceId, Digest, Envelope, Epoch, Genesis, MicroUsd, STONE, Sector, Stones,
    abi::{IMarket, IRegistry, IRewards, REGISTRY, REWARDS},
    mul_div_floor,
};

use super::{
    event::{Event, is_native, stones},
    history::Days,
    prices::Prices,
    rows::{EpochRows, ROWS_MAX, Registered, Settled, Totals},
};

/// Why a block cannot be folded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// Not the block that follows.
    #[error("block {found} was given where {expected} follows")]
    NotNext {
        /// The next height.
        expected: u64,
        /// The height of what was given.
        found: u64,
    },
    /// A block whose receipts are not those of its transactions.
    #[error("block {0} has not one receipt for each transaction")]
    Receipts(u64),
    /// More payments than are kept.
    #[error("the ledger has more than {ROWS_MAX} rows of payments")]
    Full,
}

/// What the ledger says about a final epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalEpoch {
    /// Root over the verdict leaves.
    pub verdict_root: Digest,
    /// Root over the score leaves.
    pub score_root: Digest,
    /// Root over the reward leaves.
    pub reward_root: Digest,
    /// Validators that voted for it.
    pub votes: u32,
}

/// The rows of a ledger up to some block.
#[derive(Clone, Debug)]
pub struct Book {
    pub(super) genesis: Genesis,
    /// Accounts that genesis names.
    pub(super) founders: BTreeSet<Address>,
    next: u64,
    pub(super) devices: BTreeMap<DeviceId, Registered>,
    offers: BTreeMap<u64, Sector>,
    leases: BTreeMap<u64, (Address, u64)>,
    pub(super) epochs: BTreeMap<Epoch, EpochRows>,
    pub(super) finals: BTreeMap<(Sector, Epoch), FinalEpoch>,
    /// What was settled in epochs that are not final, and the stones that the vault released for it.
    income: BTreeMap<(Sector, Epoch), (u64, u128)>,
    economy: EconomyState,
    pub(super) days: Days,
    pub(super) prices: Prices,
    /// Network time of the block that is folded.
    time_ms: u64,
    now: Totals,
    rows: usize,
    transfers: usize,
    /// The epoch from which transfers are no longer followed.
    pub(super) unfollowed: Option<Epoch>,
}

impl Book {
    /// The book before the first block after genesis.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        let economy = EconomyState::genesis(&genesis.economy);
        let accounts = genesis.accounts.iter().map(|account| account.address);
        let operators = genesis.validators.iter().map(|validator| validator.operator);
        let ingests = genesis.ingests.iter().map(|ingest| ingest.operator);
        let mut book = Self {
            founders: accounts.chain(operators).chain(ingests).collect(),
            genesis: genesis.clone(),
            next: 1,
            devices: BTreeMap::new(),
            offers: BTreeMap::new(),
            leases: BTreeMap::new(),
            epochs: BTreeMap::new(),
            finals: BTreeMap::new(),
            income: BTreeMap::new(),
            economy,
            days: Days::default(),
            prices: Prices::new(genesis),
            time_ms: genesis.start_ms,
            now: Totals { replayed: true, ..Totals::default() },
            rows: 0,
            transfers: 0,
            unfollowed: None,
        };
        for account in &genesis.accounts {
            let stones = u128::from(account.stones).saturating_mul(STONE);
            book.transfer(Epoch(0), Address::ZERO, account.address, stones);
        }
        book.close(Epoch(0));
        book
    }

    /// Whether the replayed reserve is where the ledger announced it on every day.
    pub(super) const fn is_replayed(&self) -> bool {
        self.now.replayed
    }

    /// Height of the next block to fold.
    #[must_use]
    pub const fn next_height(&self) -> u64 {
        self.next
    }

    /// The first epoch that is not final in every sector.
    #[must_use]
    pub fn next_epoch(&self) -> Epoch {
        let next = |sector: Sector| {
            let last = self.finals.range((sector, Epoch(0))..=(sector, Epoch(u64::MAX)));
            last.map(|((_, epoch), _)| epoch.next()).next_back().unwrap_or_default()
        };
        Sector::ALL.into_iter().map(next).min().unwrap_or_default()
    }

    /// What the ledger says about an epoch of a sector; `None` while it is not final.
    #[must_use]
    pub fn final_epoch(&self, sector: Sector, epoch: Epoch) -> Option<&FinalEpoch> {
        self.finals.get(&(sector, epoch))
    }

    /// Folds the next block.
    ///
    /// # Errors
    /// `BookError`; the book is then to be thrown away.
    pub fn fold(
        &mut self,
        header: &Header,
        transactions: &[Recovered<TxEnvelope>],
        receipts: &[ReceiptEnvelope],
    ) -> Result<(), BookError> {
        if header.number != self.next {
            return Err(BookError::NotNext { expected: self.next, found: header.number });
        }
        if transactions.len() != receipts.len() {
            return Err(BookError::Receipts(header.number));
        }
        let epoch = self.genesis.schedule().epoch_at(time_of(header));
        self.time_ms = time_of(header).0;
        let (mut gas_before, mut fees) = (0, 0_u128);
        for (transaction, receipt) in transactions.iter().zip(receipts) {
            let gas = receipt.cumulative_gas_used().saturating_sub(gas_before);
            gas_before = receipt.cumulative_gas_used();
            // Only system transactions may offer nothing (docs/spec/transactions.md).
            if transaction.max_fee_per_gas() > 0 {
                let base = u128::from(header.base_fee_per_gas.unwrap_or_default());
                fees = fees.saturating_add(base.saturating_mul(gas.into()));
            }
            if receipt.status() {
                self.transaction(epoch, transaction, receipt)?;
            }
        }
        let proposer = part(Stones(fees), self.genesis.stake.proposer_fee_ppm);
        self.now.burned = self.now.burned.saturating_add(fees.saturating_sub(proposer.0));
        self.close(epoch);
        self.next += 1;
        Ok(())
    }

    /// Writes the money down as it is after a block of `epoch`.
    fn close(&mut self, epoch: Epoch) {
        self.now.reserve = self.economy.reserve;
        let grants = self.economy.services.values().map(|service| service.grant_left.0);
        self.now.grant_left = Stones(grants.fold(0, u128::saturating_add));
        self.now.pool = self.prices.facts(self.time_ms);
        self.now.price = price(&self.prices.params(0));
        self.epochs.entry(epoch).or_default().totals = self.now;
    }

    fn rows(&mut self, epoch: Epoch) -> &mut EpochRows {
        self.epochs.entry(epoch).or_default()
    }

    fn count(&mut self) -> Result<(), BookError> {
        self.rows += 1;
        if self.rows > ROWS_MAX { Err(BookError::Full) } else { Ok(()) }
    }

    /// A transfer of stones from account to account. Beyond the limit nothing is followed any more.
    fn transfer(&mut self, epoch: Epoch, from: Address, to: Address, stones: u128) {
        if stones == 0 || self.unfollowed.is_some() {
            return;
        }
        let sum = self.rows(epoch).transfers.entry((to, from)).or_default();
        let is_new = *sum == 0;
        *sum = sum.saturating_add(stones);
        self.transfers += usize::from(is_new);
        if self.transfers > ROWS_MAX {
            self.unfollowed = Some(epoch);
        }
    }

    fn transaction(
        &mut self,
        epoch: Epoch,
        transaction: &Recovered<TxEnvelope>,
        receipt: &ReceiptEnvelope,
    ) -> Result<(), BookError> {
        if let Some(to) = transaction.to().filter(|to| !is_native(*to)) {
            self.transfer(epoch, transaction.signer(), to, stones(transaction.value()));
        }
        for event in receipt.logs().iter().filter_map(Event::of) {
            self.event(epoch, transaction, event)?;
        }
        Ok(())
    }

    fn event(
        &mut self,
        epoch: Epoch,
        transaction: &Recovered<TxEnvelope>,
        event: Event,
    ) -> Result<(), BookError> {
        self.prices.note(&event, self.time_ms);
        match event {
            // Of the price and the parameters: noted.
            Event::Bought(_)
            | Event::Sold(_)
            | Event::LiquidityAdded(_)
            | Event::LiquidityRemoved(_)
            | Event::Fed(_)
            | Event::EpochSettled(_)
            | Event::ParametersSet(_) => {}
            Event::Minted(minted) => {
                let credits: u64 = minted.credits.saturating_to();
                self.now.minted = self.now.minted.saturating_add(credits);
                self.now.outstanding = self.now.outstanding.saturating_add(credits);
                self.now.vault = self.now.vault.saturating_add(stones(minted.stones));
            }
            Event::OfferPosted(offer) => {
                if let Some(sector) = Sector::from_u8(offer.sector) {
                    self.offers.insert(offer.id, sector);
                }
            }
            Event::LeaseOpened(lease) => {
                self.leases.insert(lease.id, (lease.consumer, lease.offer));
            }
            Event::DevicePaid(paid) => self.paid(&paid)?,
            Event::Settled(settled) => self.settled(&settled)?,
            Event::Registered(device) => self.registered(epoch, &device),
            Event::Left(left) => {
                // `withdrawBond` tells of it again, with the bond.
                if left.bondReturned.is_zero() {
                    self.ended(DeviceId(left.id.0), epoch, epoch.next(), 0);
                }
            }
            Event::DeviceSlashed(slashed) => {
                let end = epoch.max(Epoch(1));
                self.ended(DeviceId(slashed.id.0), epoch, end, 1);
                let lost = stones(slashed.burned).saturating_add(stones(slashed.toChallenger));
                let checks = &mut self.rows(epoch).checks;
                checks.devices_slashed += 1;
                checks.slashed.0 = checks.slashed.0.saturating_add(lost);
                checks.detection_epochs.extend(detection(transaction, epoch));
            }
            Event::EpochFinal(done) => self.finalised(transaction, &done),
            Event::Forfeited(forfeited) => {
                let returned = stones(forfeited.returned);
                self.economy.reserve.0 = self.economy.reserve.0.saturating_add(returned);
            }
            Event::Delegated(delegated) => {
                let stones = stones(delegated.stones);
                self.transfer(epoch, delegated.delegator, delegated.operator, stones);
            }
            Event::SlashPending => self.rows(epoch).checks.pending += 1,
            Event::SlashAnnulled => self.rows(epoch).checks.annulled += 1,
            Event::SlashExecuted(slash) => {
                let lost = [slash.burned, slash.toReporter, slash.toInsurance];
                let lost = lost.into_iter().map(stones).fold(0, u128::saturating_add);
                let checks = &mut self.rows(epoch).checks;
                checks.executed += 1;
                checks.slashed.0 = checks.slashed.0.saturating_add(lost);
            }
            Event::Burned(burned) => {
                self.now.burned = self.now.burned.saturating_add(stones(burned.stones));
            }
            Event::DayOpened(opened) => {
                let same = opened.day == self.economy.day
                    && stones(opened.reserve) == self.economy.reserve.0;
                self.now.replayed &= same;
            }
        }
        Ok(())
    }

    fn registered(&mut self, epoch: Epoch, device: &IRegistry::DeviceRegistered) {
        let Some(sector) = Sector::from_u8(device.sector) else { return };
        let (owner, cell) = (device.owner, Cell(device.cell));
        let registered = Registered { owner, sector, cell, epoch, ends: [None; 2] };
        self.devices.insert(DeviceId(device.id.0), registered);
    }

    fn ended(&mut self, id: DeviceId, when: Epoch, end: Epoch, slot: usize) {
        if let Some(device) = self.devices.get_mut(&id) {
            device.ends[slot] = Some((when, end));
        }
    }

    fn paid(&mut self, paid: &IMarket::DevicePaid) -> Result<(), BookError> {
        let Some((payer, _)) = self.leases.get(&paid.lease).copied() else { return Ok(()) };
        let key = (payer, DeviceId(paid.device.0));
        let sum = self.rows(Epoch(paid.epoch)).payments.entry(key).or_default();
        let is_new = *sum == 0;
        *sum = sum.saturating_add(paid.microUsd);
        if is_new { self.count() } else { Ok(()) }
    }

    fn settled(&mut self, settled: &IMarket::Settled) -> Result<(), BookError> {
        let Some((payer, offer)) = self.leases.get(&settled.lease).copied() else { return Ok(()) };
        let Some(sector) = self.offers.get(&offer).copied() else { return Ok(()) };
        let now = &mut self.now;
        let amount = settled.amount;
        let released = mul_div_floor(now.vault, amount.into(), now.outstanding.into()).unwrap_or(0);
        now.vault = now.vault.saturating_sub(released);
        now.outstanding = now.outstanding.saturating_sub(amount);
        now.settled = now.settled.saturating_add(amount);
        let epoch = Epoch(settled.epoch);
        let income = self.income.entry((sector, epoch)).or_default();
        *income = (income.0.saturating_add(amount), income.1.saturating_add(released));
        let sale = Settled { payer, sector, amount: MicroUsd(amount), units: settled.units };
        self.rows(epoch).sales.push(sale);
        self.count()
    }

    /// An epoch became final: what `rewards` did to the economy is done again.
    fn finalised(&mut self, transaction: &Recovered<TxEnvelope>, done: &IRewards::EpochFinal) {
        let Some(sector) = Sector::from_u8(done.sector) else { return };
        let epoch = Epoch(done.epoch);
        let digest = |root: alloy_primitives::B256| Digest(root.0);
        let row = FinalEpoch {
            verdict_root: digest(done.verdictRoot),
            score_root: digest(done.scoreRoot),
            reward_root: digest(done.rewardRoot),
            votes: done.votes,
        };
        self.finals.insert((sector, epoch), row);
        // The vote that made it final names the result that became final.
        let vote = IRewards::voteCall::abi_decode(transaction.input());
        let vote = vote.ok().filter(|_| transaction.to() == Some(REWARDS));
        let (paid, released) = self.income.remove(&(sector, epoch)).unwrap_or_default();
        let subsidy = Stones(stones(done.subsidyStones));
        let moved = vote.is_some_and(|vote| {
            let (usage, need) = (vote.result.usageMicroUsd, vote.result.needMicroUsd);
            self.now.grant_used = self.now.grant_used.saturating_add(need);
            self.now.subsidy = self.now.subsidy.saturating_add(usage.saturating_add(need));
            let open = &mut self.days.open;
            open.usage_subsidy.0 = open.usage_subsidy.0.saturating_add(usage);
            open.need_subsidy.0 = open.need_subsidy.0.saturating_add(need);
            self.replay(
                sector,
                epoch,
                (MicroUsd(paid), Stones(released)),
                (subsidy, MicroUsd(need)),
            )
        });
        self.now.replayed &= moved;
    }

    /// Credits that no final epoch was paid with, the stones behind them, and what was burned.
    fn unspent(&self) -> (MicroUsd, Stones, Stones) {
        let (mut credits, mut vault) = (self.now.outstanding, self.now.vault);
        for (paid, released) in self.income.values() {
            credits = credits.saturating_add(*paid);
            vault = vault.saturating_add(*released);
        }
        (MicroUsd(credits), Stones(vault), Stones(self.now.burned))
    }

    fn replay(
        &mut self,
        sector: Sector,
        epoch: Epoch,
        (paid, released): (MicroUsd, Stones),
        (subsidy, need): (Stones, MicroUsd),
    ) -> bool {
        let schedule = self.genesis.schedule();
        let (params, epochs) =
            (&self.prices.params(schedule.day_of(epoch)), schedule.epochs_per_day());
        let economy = &mut self.economy;
        let settled = economy.settle_epoch(params, sector, epoch, epochs, paid, released);
        let Ok(settled) = settled else { return false };
        if economy.pay_subsidy(params, sector, subsidy, need).is_err() {
            return false;
        }
        let funds = [settled.paid, settled.old_paid];
        let funds = funds.iter().map(|dues| dues.treasury.0.saturating_add(dues.insurance.0));
        self.now.to_funds = funds.fold(self.now.to_funds, u128::saturating_add);
        let emitted = settled.drawn.0.saturating_add(subsidy.0);
        self.now.emitted = self.now.emitted.saturating_add(emitted);
        let open = &mut self.days.open;
        open.price = price(params);
        let sum = open.paid.entry(sector).or_default();
        sum.0 = sum.0.saturating_add(paid.0);
        open.earned.0 = open.earned.0.saturating_add(settled.income.0);
        open.emitted.0 = open.emitted.0.saturating_add(subsidy.0);
        open.drawn.0 = open.drawn.0.saturating_add(settled.drawn.0);
        if schedule.day_of(self.next_epoch()) > self.economy.day {
            let day = self.economy.day;
            let (closing, opening) =
                (self.prices.params(day), self.prices.params(day.saturating_add(1)));
            self.economy.open_next_day_with(&closing, &opening);
            let money = self.unspent();
            self.days.close(&self.economy, money);
        }
        true
    }
}

/// Epochs between what the slashed device last signed against itself and the slash; `None` when a contract brought it.
fn detection(transaction: &Recovered<TxEnvelope>, epoch: Epoch) -> Option<u64> {
    if transaction.to() != Some(REGISTRY) {
        return None;
    }
    let call = IRegistry::proveEquivocationCall::abi_decode(transaction.input()).ok()?;
    let signed = |bytes: &[u8]| Some(Envelope::decode(bytes).ok()?.batch().anchor.epoch);
    let later = signed(&call.envelopeA)?.max(signed(&call.envelopeB)?);
    Some(epoch.0.saturating_sub(later.0))
}
