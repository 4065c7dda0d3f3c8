//! What every attacker has: the network's public addresses, its time, and devices that it may plug in anywhere.

use std::{cell::RefCell, future::Future, time::Duration};

use alloy_primitives::Address;
use cairn_agent::{
    DeviceError,
    deliver::{Courier, HttpCourier},
    sensing::{Noise, Station},
};
use cairn_client::{BlockTag, LedgerClient, NewDevice, PriceReads as _, Reads as _, Role, Sender};
use cairn_kit::Shutdown;
use cairn_primitives::{DeviceId, Epoch, Genesis, MicroUsd, Position, STONE, SecretKey};
use eyre::{Result, WrapErr as _, bail, eyre};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    session::{SECTOR, Session},
    up::{Hosted, plug_in},
};

/// Pause between two looks at the ledger.
pub const POLL: Duration = Duration::from_millis(50);
/// Longest wait for anything on the ledger, wall time.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// The market is calm when the price is this near to that of genesis, ppm: twice the fee of a swap and a little.
const CALM_PPM: u64 = 8_000;
/// Milliseconds of a network day.
const DAY_MS: u64 = 86_400_000;

/// A running network as a stranger sees it, and the strangers' own devices.
pub struct World<'a> {
    hosted: &'a Hosted<'a>,
    devices: RefCell<JoinSet<Result<(), DeviceError>>>,
    stop: Shutdown,
}

impl<'a> World<'a> {
    pub fn new(hosted: &'a Hosted<'a>) -> Self {
        Self { hosted, devices: RefCell::default(), stop: Shutdown::new() }
    }

    /// A node's JSON-RPC.
    pub fn client(&self) -> &LedgerClient {
        &self.hosted.services.client
    }
    /// The public files of final epochs.
    pub fn session(&self) -> &Session {
        self.hosted.session
    }
    pub fn genesis(&self) -> &Genesis {
        &self.hosted.founded.genesis
    }
    pub fn epochs_a_day(&self) -> u64 {
        (DAY_MS / self.genesis().epoch_ms).max(1)
    }

    /// An account of genesis.
    pub fn sender(&self, name: &str) -> Sender {
        let wallet = self.hosted.founded.keys.wallet(Role::Owner, name);
        Sender::new(self.client().clone(), wallet)
    }

    /// The operator's account of a seat of genesis.
    pub fn validator(&self, index: usize) -> Sender {
        let label = crate::network::validator_label(index);
        let wallet = self.hosted.founded.keys.wallet(Role::Validator, &label);
        Sender::new(self.client().clone(), wallet)
    }

    /// The bond of a seat of genesis, base units.
    pub fn bond_of(&self, operator: Address) -> Result<u128> {
        let mut seats = self.genesis().validators.iter();
        let seat = seats.find(|validator| validator.operator == operator);
        let bond = seat.ok_or_else(|| eyre!("{operator} has no seat in genesis"))?.bond_stones;
        Ok(u128::from(bond) * STONE)
    }

    /// The key of an own device.
    pub fn device_key(&self, label: &str) -> SecretKey {
        self.hosted.founded.keys.ed25519(Role::Device, label)
    }

    /// A station of the fleet, whose readings are public.
    pub fn station(&self, name: &str) -> Result<&Station> {
        let stations = &self.hosted.founded.log.stations;
        let found = stations.iter().find(|station| station.name == name);
        found.ok_or_else(|| eyre!("the fleet has no station {name}"))
    }

    /// What an own instrument would show `metres` north of a station of the fleet.
    pub fn own_station(&self, label: &str, near: &str, north_e7: i32) -> Result<Station> {
        let truth = self.station(near)?;
        let noise = Noise::new("strangers");
        let readings = truth.readings.iter().map(|reading| noise.apply(label, reading)).collect();
        let position = moved(truth.position, north_e7);
        Ok(Station { name: label.to_owned(), owner: label.to_owned(), position, readings })
    }

    /// A device that shows exactly what a station of the fleet shows.
    pub fn copied_station(&self, label: &str, copied: &str, north_e7: i32) -> Result<Station> {
        let truth = self.station(copied)?;
        let position = moved(truth.position, north_e7);
        let readings = truth.readings.clone();
        Ok(Station { name: label.to_owned(), owner: label.to_owned(), position, readings })
    }

    /// Registers a device with its bond.
    pub async fn register(
        &self,
        owner: &Sender,
        label: &str,
        position: Position,
    ) -> Result<DeviceId> {
        let key = self.device_key(label);
        let bond = self.client().bond_required(SECTOR).await?;
        let device = NewDevice { key: &key, sector: SECTOR, position, bond };
        owner.register_device(&device).await.wrap_err_with(|| format!("registering {label}"))
    }

    /// Plugs in a registered device: the same agent that honest ones run, with the readings of `station`.
    pub async fn plug_in(&self, station: &Station, id: DeviceId) -> Result<()> {
        let (hosted, client) = (self.hosted, self.client());
        let record = client.device(id, BlockTag::Latest).await?.record;
        let courier = Courier::Http(HttpCourier::new(&hosted.services.endpoints.ingest)?);
        let plugged = plug_in(hosted.founded, station, &record, client, hosted.clock, courier);
        let (device, _) = plugged?;
        self.devices.borrow_mut().spawn(device.run(self.stop.clone()));
        Ok(())
    }

    /// Unplugs all devices.
    pub async fn stop(&self) {
        self.stop.request();
        let mut devices = self.devices.take();
        while let Some(ended) = devices.join_next().await {
            if let Ok(Err(error)) = ended {
                tracing::warn!(error = &error as &dyn std::error::Error, "a device stopped");
            }
        }
    }

    /// The epoch of the last block.
    pub async fn epoch(&self) -> Result<Epoch> {
        Ok(self.client().current_epoch(BlockTag::Latest).await?)
    }

    /// The next epoch to become final.
    pub async fn next_final(&self) -> Result<Epoch> {
        Ok(self.client().next_epoch(SECTOR, BlockTag::Latest).await?)
    }

    /// Waits until this epoch has begun.
    pub async fn until_epoch(&self, epoch: u64) -> Result<()> {
        self.until("an epoch's beginning", async || Ok(self.epoch().await?.0 >= epoch)).await
    }

    /// Waits until this epoch is final, and its files are served.
    pub async fn until_final(&self, epoch: Epoch) -> Result<()> {
        self.until("an epoch's result", async || {
            let is_final = self.next_final().await? > epoch;
            Ok(is_final && self.session().rewards(epoch).await.is_ok())
        })
        .await
    }

    /// Waits until the market has brought the price back to that of genesis.
    pub async fn calm(&self) -> Result<()> {
        let usual = self.genesis().price().0;
        self.until("a calm market", async || {
            let last = self.price().await?.0;
            Ok(last.abs_diff(usual).saturating_mul(1_000_000) <= usual.saturating_mul(CALM_PPM))
        })
        .await
    }

    /// The pool's price now.
    pub async fn price(&self) -> Result<MicroUsd> {
        Ok(self.client().price_pool(BlockTag::Latest).await?.last)
    }

    /// Looks again and again until it is so.
    pub async fn until<F>(&self, what: &str, so: impl Fn() -> F) -> Result<()>
    where
        F: Future<Output = Result<bool>>,
    {
        let deadline = Instant::now() + PATIENCE;
        while !so().await? {
            if Instant::now() > deadline {
                bail!("the devnet gave no sign of {what} within {} s", PATIENCE.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

/// A place some 1e-7 degrees to the north.
const fn moved(position: Position, north_e7: i32) -> Position {
    Position { lat_e7: position.lat_e7.saturating_add(north_e7), ..position }
}
