//! The ledger over JSON-RPC, through the client crate.

use alloy_primitives::{Address, B256};
use cairn_client::{
    BlockTag, ClientError, NativeError, Reads as _, Sender,
    api::{ReceiptBody, ShareBody},
};
use cairn_primitives::{
    Digest, Epoch, MicroUsd, Sector,
    abi::{self, IMarket, IRegistry},
};

use crate::{
    catalog::Device,
    ports::{FinalEpoch, Lease, Ledger, LedgerError, Offer},
};

/// State of an open lease in `IMarket.Lease`.
const OPEN: u8 = 1;

/// A node's ledger, and the gateway's account on it.
#[derive(Debug)]
pub struct ClientLedger(Sender);

impl ClientLedger {
    /// Reads and settles through `sender`.
    #[must_use]
    pub const fn new(sender: Sender) -> Self {
        Self(sender)
    }

    /// The gateway's account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// The gateway's offer at this price and endpoint; posted when there is none yet.
    ///
    /// # Errors
    /// When the ledger does not answer or refuses.
    pub async fn ensure_offer(
        &self,
        price_per_kilo_unit: MicroUsd,
        endpoint: &str,
    ) -> Result<Offer, ClientError> {
        let offers = self.0.client().offers(BlockTag::Latest).await?;
        let sector = Sector::Sensing;
        let ours = offers.iter().rev().find(|offer| {
            offer.provider == self.address()
                && offer.sector == sector.number()
                && offer.microUsdPerKiloUnit == price_per_kilo_unit.0
                && offer.endpoint == endpoint
        });
        let id = match ours {
            Some(offer) => offer.id,
            None => self.0.post_offer(sector, price_per_kilo_unit.0, endpoint).await?,
        };
        let micro_usd_per_kilo_unit = price_per_kilo_unit.0;
        Ok(Offer { id, provider: self.address(), micro_usd_per_kilo_unit })
    }
}

fn failed(doing: &'static str) -> impl Fn(ClientError) -> LedgerError {
    move |error| LedgerError { doing, is_final: error.revert().is_some(), source: Box::new(error) }
}

impl Ledger for ClientLedger {
    async fn next_epoch(&self) -> Result<Epoch, LedgerError> {
        let client = self.0.client();
        client.next_epoch(Sector::Sensing, BlockTag::Latest).await.map_err(failed("next epoch"))
    }

    async fn final_epoch(&self, epoch: Epoch) -> Result<FinalEpoch, LedgerError> {
        let client = self.0.client();
        let (sector, at) = (Sector::Sensing, BlockTag::Latest);
        let result = client.result(epoch, sector, at).await.map_err(failed("result"))?;
        let commitments =
            client.commitments(epoch, sector, at).await.map_err(failed("commitments"))?;
        let status = client.batch_status(epoch, sector, at).await.map_err(failed("status"))?;
        let included = commitments
            .iter()
            .enumerate()
            .filter(|(i, _)| status.included.bit(*i))
            .map(|(_, commitment)| (Digest(commitment.digest.0), commitment.size))
            .collect();
        Ok(FinalEpoch {
            verdict_root: Digest(result.verdictRoot.0),
            score_root: Digest(result.scoreRoot.0),
            included,
        })
    }

    async fn devices(&self, from: u64) -> Result<Vec<Device>, LedgerError> {
        let (client, at) = (self.0.client(), BlockTag::Latest);
        let failed = failed("devices");
        let mut devices = Vec::new();
        loop {
            let from = from + devices.len() as u64;
            let call = IRegistry::pageCall { from, limit: cairn_client::PAGE_MAX };
            let page = client.view(abi::REGISTRY, call, at).await.map_err(&failed)?;
            if page.is_empty() {
                return Ok(devices);
            }
            for raw in page {
                let record = cairn_client::Device::try_from(raw).map_err(&failed)?.record;
                devices.push(Device {
                    id: record.id,
                    owner: record.owner,
                    cell: record.cell,
                    position: record.position,
                });
            }
        }
    }

    async fn current_epoch(&self) -> Result<Epoch, LedgerError> {
        let client = self.0.client();
        client.current_epoch(BlockTag::Latest).await.map_err(failed("current epoch"))
    }

    async fn lease(&self, id: u64) -> Result<Option<Lease>, LedgerError> {
        match self.0.client().lease(id, BlockTag::Latest).await {
            Ok(lease) => Ok(Some(Lease {
                id: lease.id,
                offer: lease.offer,
                consumer: lease.consumer,
                escrow: lease.escrow,
                settled: lease.settled,
                expiry: Epoch(lease.expiryEpoch),
                is_open: lease.state == OPEN,
            })),
            Err(error) if is_unknown_lease(&error) => Ok(None),
            Err(error) => Err(failed("lease")(error)),
        }
    }

    async fn settle(
        &self,
        receipt: &ReceiptBody,
        shares: &[ShareBody],
        signature: &[u8; 65],
    ) -> Result<B256, LedgerError> {
        let sent = self.0.settle(receipt, shares, signature).await.map_err(failed("settle"))?;
        Ok(sent.hash)
    }
}

fn is_unknown_lease(error: &ClientError) -> bool {
    error.revert().is_some_and(|revert| {
        matches!(revert.error, Some(NativeError::Market(IMarket::IMarketErrors::UnknownLease(_))))
    })
}
