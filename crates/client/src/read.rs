//! Typed reads of the native contracts, over anything that can answer `eth_call`.
//!
//! [`LedgerRead`] is small, so that a node over JSON-RPC and the disk of a stopped network answer the same questions;
//! [`Reads`] is what everybody uses. Every read names the block it is at: an audit reads all at one block.

use std::future::Future;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolEvent};
use cairn_primitives::{
    Assurance, Cell, DeviceId, Digest, Epoch, KeyType, MicroUsd, Position, PublicKey, Sector,
    Stones, TimeMs,
    abi::{self, IBatches, ICredits, IEconomy, IMarket, IRegistry, IRewards, IStake},
};
use cairn_sectors::DeviceRecord;

use crate::ClientError;

/// Most entries that a paged view of a native contract returns.
pub const PAGE_MAX: u64 = 256;

/// Which state is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockTag {
    /// The last final block.
    #[default]
    Latest,
    /// The block of this height.
    Number(u64),
}

/// What a client needs of a block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Height.
    pub number: u64,
    /// Hash of the Ethereum header.
    pub hash: B256,
    /// Network time in ms, from the header's extra data.
    pub time: TimeMs,
    /// Base fee, base units of STONE per gas.
    pub base_fee: u64,
    /// State root.
    pub state_root: B256,
    /// Gas used.
    pub gas_used: u64,
}

/// Which logs are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// The contract; `None` = any.
    pub address: Option<Address>,
    /// First topics, `None` = any. At most four.
    pub topics: Vec<Option<B256>>,
    /// First block.
    pub from: u64,
    /// Last block; `None` = the head.
    pub to: Option<u64>,
}

/// A log and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The contract that emitted it.
    pub address: Address,
    /// Its topics.
    pub topics: Vec<B256>,
    /// Its data.
    pub data: Bytes,
    /// Height of the block.
    pub block: u64,
    /// Hash of the transaction.
    pub transaction: B256,
    /// Position in the block.
    pub index: u64,
}

impl LogRecord {
    /// The log as event `E`, if it is one.
    #[must_use]
    pub fn event<E: SolEvent>(&self) -> Option<E> {
        E::decode_raw_log(self.topics.iter().copied(), &self.data).ok()
    }
}

/// Whoever can answer questions about the ledger's state.
pub trait LedgerRead: Send + Sync {
    /// The result of calling `to` with `data` in the state of block `at`.
    fn eth_call(
        &self,
        to: Address,
        data: Bytes,
        at: BlockTag,
    ) -> impl Future<Output = Result<Bytes, ClientError>> + Send;
    /// The header of a block; `None` when there is none of this height yet.
    fn head(&self, at: BlockTag) -> impl Future<Output = Result<Option<Head>, ClientError>> + Send;
    /// Stones of an account.
    fn balance(
        &self,
        account: Address,
        at: BlockTag,
    ) -> impl Future<Output = Result<Stones, ClientError>> + Send;
    /// Logs in the order of the chain.
    fn logs(
        &self,
        filter: LogFilter,
    ) -> impl Future<Output = Result<Vec<LogRecord>, ClientError>> + Send;
}

/// State of a device's registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceStatus {
    /// In service.
    Active,
    /// Its owner took it out of service.
    Left,
    /// Its key signed contradicting batches.
    Slashed,
}

/// A registered device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What judging and paying need.
    pub record: DeviceRecord,
    /// State of the registration.
    pub status: DeviceStatus,
    /// Its bond.
    pub bond: Stones,
}

impl TryFrom<IRegistry::Device> for Device {
    type Error = ClientError;

    fn try_from(raw: IRegistry::Device) -> Result<Self, ClientError> {
        let bad = |reason: String| ClientError::decode("registry device", reason);
        let key_type = KeyType::from_u8(raw.keyType).map_err(|error| bad(error.to_string()))?;
        let key = PublicKey::from_bytes(key_type, &raw.publicKey)
            .map_err(|error| bad(error.to_string()))?;
        let record = DeviceRecord {
            id: DeviceId(raw.id.0),
            owner: raw.owner,
            sector: Sector::from_u8(raw.sector)
                .ok_or_else(|| bad(format!("sector {} is unknown", raw.sector)))?,
            key,
            assurance: match raw.assurance {
                1 => Assurance::SecureElement,
                2 => Assurance::Attested,
                3 => Assurance::Bare,
                other => return Err(bad(format!("assurance {other} is unknown"))),
            },
            index: raw.index,
            registered: Epoch(raw.registeredEpoch),
            end: (raw.endEpoch != 0).then_some(Epoch(raw.endEpoch)),
            position: Position {
                lat_e7: raw.latE7,
                lon_e7: raw.lonE7,
                elevation_dm: raw.elevationDm,
            },
            cell: Cell(raw.cell),
        };
        let status = match raw.status {
            1 => DeviceStatus::Active,
            2 => DeviceStatus::Left,
            3 => DeviceStatus::Slashed,
            other => return Err(bad(format!("status {other} is unknown"))),
        };
        Ok(Self { record, status, bond: stones("bond", raw.bond)? })
    }
}

/// A contract's 256-bit amount as stones.
pub(crate) fn stones(what: &'static str, value: U256) -> Result<Stones, ClientError> {
    u128::try_from(value)
        .map(Stones)
        .map_err(|_| ClientError::decode(what, "more stones than there can be"))
}

/// Every typed read; implemented for whoever is [`LedgerRead`].
pub trait Reads: LedgerRead {
    /// Calls a view of a native contract.
    fn view<C: SolCall + Send + Sync>(
        &self,
        to: Address,
        call: C,
        at: BlockTag,
    ) -> impl Future<Output = Result<C::Return, ClientError>> + Send {
        async move {
            let data = self.eth_call(to, call.abi_encode().into(), at).await?;
            C::abi_decode_returns(&data).map_err(|error| ClientError::decode(C::SIGNATURE, error))
        }
    }

    /// The last final block.
    fn latest(&self) -> impl Future<Output = Result<Head, ClientError>> + Send {
        async move {
            let head = self.head(BlockTag::Latest).await?;
            head.ok_or_else(|| {
                ClientError::decode("eth_getBlockByNumber", "the ledger has no block yet")
            })
        }
    }

    /// Every device in order of registration.
    fn devices(
        &self,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<Device>, ClientError>> + Send {
        async move {
            let count = self.view(abi::REGISTRY, IRegistry::countCall {}, at).await?;
            let mut devices = Vec::new();
            let mut from = 0;
            while from < count {
                let page = self
                    .view(abi::REGISTRY, IRegistry::pageCall { from, limit: PAGE_MAX }, at)
                    .await?;
                if page.is_empty() {
                    break;
                }
                from += page.len() as u64;
                for raw in page {
                    devices.push(Device::try_from(raw)?);
                }
            }
            Ok(devices)
        }
    }

    /// One device; the revert `UnknownDevice` when there is none.
    fn device(
        &self,
        id: DeviceId,
        at: BlockTag,
    ) -> impl Future<Output = Result<Device, ClientError>> + Send {
        async move {
            self.view(abi::REGISTRY, IRegistry::getCall { id: id.0.into() }, at).await?.try_into()
        }
    }

    /// Bond that a new device of `sector` needs.
    fn bond_required(
        &self,
        sector: Sector,
    ) -> impl Future<Output = Result<Stones, ClientError>> + Send {
        async move {
            let call = IRegistry::bondRequiredCall { sector: sector.number() };
            stones("bondRequired", self.view(abi::REGISTRY, call, BlockTag::Latest).await?)
        }
    }

    /// The commitments of an epoch.
    fn commitments(
        &self,
        epoch: Epoch,
        sector: Sector,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<IBatches::Commitment>, ClientError>> + Send {
        self.view(
            abi::BATCHES,
            IBatches::commitmentsCall { epoch: epoch.0, sector: sector.number() },
            at,
        )
    }

    /// Where an epoch's availability stands.
    fn batch_status(
        &self,
        epoch: Epoch,
        sector: Sector,
        at: BlockTag,
    ) -> impl Future<Output = Result<IBatches::Status, ClientError>> + Send {
        self.view(
            abi::BATCHES,
            IBatches::statusCall { epoch: epoch.0, sector: sector.number() },
            at,
        )
    }

    /// The next epoch to become final.
    fn next_epoch(
        &self,
        sector: Sector,
        at: BlockTag,
    ) -> impl Future<Output = Result<Epoch, ClientError>> + Send {
        async move {
            let call = IRewards::nextEpochCall { sector: sector.number() };
            self.view(abi::REWARDS, call, at).await.map(Epoch)
        }
    }

    /// Where the votes of an epoch stand.
    fn ballot(
        &self,
        epoch: Epoch,
        sector: Sector,
        at: BlockTag,
    ) -> impl Future<Output = Result<IRewards::Ballot, ClientError>> + Send {
        let call = IRewards::ballotCall { epoch: epoch.0, sector: sector.number() };
        self.view(abi::REWARDS, call, at)
    }

    /// What may be paid for an epoch; the revert `EpochNotFinal` while the epoch before is open.
    fn pool(
        &self,
        epoch: Epoch,
        sector: Sector,
        at: BlockTag,
    ) -> impl Future<Output = Result<IRewards::Pool, ClientError>> + Send {
        self.view(abi::REWARDS, IRewards::poolCall { epoch: epoch.0, sector: sector.number() }, at)
    }

    /// The agreed result of a final epoch.
    fn result(
        &self,
        epoch: Epoch,
        sector: Sector,
        at: BlockTag,
    ) -> impl Future<Output = Result<IRewards::Result, ClientError>> + Send {
        self.view(
            abi::REWARDS,
            IRewards::resultCall { epoch: epoch.0, sector: sector.number() },
            at,
        )
    }

    /// The prefix of a final epoch's reward root, as anchors of the epoch after carry it.
    fn reward_root(
        &self,
        epoch: Epoch,
        sector: Sector,
        at: BlockTag,
    ) -> impl Future<Output = Result<Digest, ClientError>> + Send {
        async move { Ok(Digest(self.result(epoch, sector, at).await?.rewardRoot.0)) }
    }

    /// Bit 0: the earned part was paid, bit 1: the subsidy was.
    fn claimed(
        &self,
        epoch: Epoch,
        device: DeviceId,
        at: BlockTag,
    ) -> impl Future<Output = Result<u8, ClientError>> + Send {
        self.view(
            abi::REWARDS,
            IRewards::claimedCall { epoch: epoch.0, device: device.0.into() },
            at,
        )
    }

    /// The epochs from which the earned part and the subsidy of a reward may be claimed.
    fn unlocks(
        &self,
        epoch: Epoch,
        at: BlockTag,
    ) -> impl Future<Output = Result<(Epoch, Epoch), ClientError>> + Send {
        async move {
            let unlocks =
                self.view(abi::REWARDS, IRewards::unlocksCall { epoch: epoch.0 }, at).await?;
            Ok((Epoch(unlocks.earnedFrom), Epoch(unlocks.subsidyFrom)))
        }
    }

    /// What consumers paid each device in an epoch, before fees, in order of first payment.
    fn earned(
        &self,
        epoch: Epoch,
        sector: Sector,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<(DeviceId, MicroUsd)>, ClientError>> + Send {
        async move {
            let (epoch, sector) = (epoch.0, sector.number());
            let count =
                self.view(abi::MARKET, IMarket::earnedCountCall { epoch, sector }, at).await?;
            let mut lines = Vec::new();
            while (lines.len() as u64) < count {
                let call = IMarket::earnedCall {
                    epoch,
                    sector,
                    from: lines.len() as u64,
                    limit: PAGE_MAX,
                };
                let page = self.view(abi::MARKET, call, at).await?;
                if page.is_empty() {
                    break;
                }
                lines.extend(
                    page.iter().map(|line| (DeviceId(line.device.0), MicroUsd(line.microUsd))),
                );
            }
            Ok(lines)
        }
    }

    /// Every offer. Numbers begin at 1.
    fn offers(
        &self,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<IMarket::Offer>, ClientError>> + Send {
        async move {
            let count = self.view(abi::MARKET, IMarket::offerCountCall {}, at).await?;
            let mut offers = Vec::new();
            for id in 1..=count {
                offers.push(self.view(abi::MARKET, IMarket::getOfferCall { id }, at).await?);
            }
            Ok(offers)
        }
    }

    /// One lease; the revert `UnknownLease` when there is none.
    fn lease(
        &self,
        id: u64,
        at: BlockTag,
    ) -> impl Future<Output = Result<IMarket::Lease, ClientError>> + Send {
        self.view(abi::MARKET, IMarket::getLeaseCall { id }, at)
    }

    /// The validators, in order of their seats.
    fn validators(
        &self,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<IStake::Validator>, ClientError>> + Send {
        self.view(abi::STAKE, IStake::validatorsCall {}, at)
    }

    /// The accounts of the ingests.
    fn ingests(
        &self,
        at: BlockTag,
    ) -> impl Future<Output = Result<Vec<Address>, ClientError>> + Send {
        self.view(abi::STAKE, IStake::ingestsCall {}, at)
    }

    /// Votes needed to make an epoch final.
    fn quorum(&self, at: BlockTag) -> impl Future<Output = Result<u32, ClientError>> + Send {
        self.view(abi::STAKE, IStake::quorumCall {}, at)
    }

    /// Micro-dollars per STONE.
    fn price(&self, at: BlockTag) -> impl Future<Output = Result<MicroUsd, ClientError>> + Send {
        async move { self.view(abi::ECONOMY, IEconomy::priceCall {}, at).await.map(MicroUsd) }
    }

    /// The budget of the current network day.
    fn economy_day(
        &self,
        sector: Sector,
        at: BlockTag,
    ) -> impl Future<Output = Result<IEconomy::Day, ClientError>> + Send {
        self.view(abi::ECONOMY, IEconomy::todayCall { sector: sector.number() }, at)
    }

    /// Reserve, burned and remaining supply.
    fn supply(
        &self,
        at: BlockTag,
    ) -> impl Future<Output = Result<[Stones; 3], ClientError>> + Send {
        async move {
            let reserve = self.view(abi::ECONOMY, IEconomy::reserveCall {}, at).await?;
            let burned = self.view(abi::ECONOMY, IEconomy::burnedCall {}, at).await?;
            let supply = self.view(abi::ECONOMY, IEconomy::supplyCall {}, at).await?;
            Ok([stones("reserve", reserve)?, stones("burned", burned)?, stones("supply", supply)?])
        }
    }

    /// The epoch of the block `at`.
    fn current_epoch(
        &self,
        at: BlockTag,
    ) -> impl Future<Output = Result<Epoch, ClientError>> + Send {
        async move { self.view(abi::ECONOMY, IEconomy::epochCall {}, at).await.map(Epoch) }
    }

    /// Credits of an account.
    fn credits(
        &self,
        account: Address,
        at: BlockTag,
    ) -> impl Future<Output = Result<MicroUsd, ClientError>> + Send {
        async move {
            let credits = self.view(abi::CREDITS, ICredits::balanceOfCall { account }, at).await?;
            u64::try_from(credits)
                .map(MicroUsd)
                .map_err(|_| ClientError::decode("balanceOf", "more than 64 bits"))
        }
    }

    /// Logs of event `E` of a native contract.
    fn events<E: SolEvent>(
        &self,
        contract: Address,
        from: u64,
        to: Option<u64>,
    ) -> impl Future<Output = Result<Vec<(LogRecord, E)>, ClientError>> + Send {
        let filter =
            LogFilter { address: Some(contract), topics: vec![Some(E::SIGNATURE_HASH)], from, to };
        let logs = self.logs(filter);
        async move {
            let logs = logs.await?;
            Ok(logs
                .into_iter()
                .filter_map(|log| log.event::<E>().map(|event| (log, event)))
                .collect())
        }
    }
}

impl<L: LedgerRead> Reads for L {}
