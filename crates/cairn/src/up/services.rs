//! The services of a network in one process, started in order and stopped in reverse.

use std::{collections::BTreeMap, net::SocketAddr};

use alloy_primitives::B256;
use cairn_agent::{
    Device, DeviceConfig, DeviceHandle, Fleet, LedgerAnchors, Spool,
    deliver::{Courier, HttpCourier, MqttCourier},
    sensing::Station,
};
use cairn_client::{BlockTag, LedgerClient, NewDevice, Reads as _, Role, Sender};
use cairn_evidence::ingest::{Ingest, IngestConfig};
use cairn_gateway::{GatewayConfig, QueryLimits};
use cairn_kit::{NetworkClock, Shutdown, Tasks, http::Listener, loopback::free_address};
use cairn_node::{
    rpc::RpcConfig,
    validator::{ConsensusKey, Network, NodeConfig, NodeKeys, ValidatorNode},
};
use cairn_primitives::{DeviceId, Genesis, MicroUsd, Stream};
use cairn_sectors::DeviceRecord;
use eyre::{Result, WrapErr as _, eyre};

use crate::{
    network::{Endpoints, StationEntry, VALIDATORS, validator_label},
    session::SECTOR,
    up::{founding::Founded, narrator::Narrator},
};

/// Price of 1,000 rows, in micro-dollars: a tenth of a cent a reading.
const PRICE_PER_KILO_ROW: MicroUsd = MicroUsd(1_000_000);
/// Every so many devices deliver over MQTT 5, the others over HTTP: both ways are in use in every network.
const MQTT_EVERY: usize = 3;

/// A network that runs.
pub struct Services {
    /// Where everything listens.
    pub endpoints: Endpoints,
    /// The devices.
    pub fleet: Fleet,
    /// The first validator's node.
    pub client: LedgerClient,
}

/// Starts validators, ingest, devices and gateway; the clock stands still meanwhile.
pub async fn start(
    founded: &Founded,
    clock: &NetworkClock,
    rpc_port: u16,
    tasks: &mut Tasks,
    narrator: &Narrator,
) -> Result<Services> {
    let genesis = &founded.genesis;
    let network = Network::new(genesis.clone(), &founded.text);
    narrator.step("validators");
    let ingest_addr = ingest_address(founded)?;
    let mut peers = Vec::new();
    for validator in &genesis.validators {
        peers.push((validator.consensus_key, free_address()?));
    }
    let mut nodes = Vec::new();
    for index in 0..VALIDATORS {
        let rpc = SocketAddr::from(([127, 0, 0, 1], if index == 0 { rpc_port } else { 0 }));
        nodes.push(start_validator(founded, &network, clock, index, &peers, rpc).await?);
    }
    let archives: Vec<String> = nodes.iter().map(|(node, _)| node.endpoints().http_url()).collect();
    let rpc: Vec<String> = nodes.iter().map(|(node, _)| node.endpoints().rpc_url()).collect();
    for (index, (mut node, shutdown)) in nodes.into_iter().enumerate() {
        let peers =
            archives.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, url)| url.clone());
        let mut peers: Vec<String> = peers.collect();
        peers.push(format!("http://{ingest_addr}"));
        let wallet = founded.keys.wallet(Role::Validator, &validator_label(index));
        if founded.idle_seat != Some(index) {
            node.verify(&network, SECTOR, wallet, peers)?;
        }
        tasks.spawn(&validator_label(index), |stop| async move {
            let run = node.run();
            tokio::pin!(run);
            tokio::select! {
                ended = &mut run => ended,
                () = stop.requested() => {
                    shutdown.request();
                    run.await
                }
            }
        });
    }
    let client = LedgerClient::new(&rpc[0])?;
    first_block(&client, narrator).await?;

    narrator.step("ingest");
    let receipt_key = founded.keys.ed25519(Role::Ingest, "ingest");
    let mut config = IngestConfig::of_genesis(
        genesis,
        network.hash,
        founded.folder.ingest(),
        receipt_key,
        clock.clone(),
    );
    config.http = ingest_addr;
    let desk = Sender::new(client.clone(), founded.keys.wallet(Role::Ingest, "ingest"));
    let ingest =
        Ingest::start(config, client.clone(), desk, tasks).wrap_err("starting the ingest")?;
    let mqtt = ingest.mqtt.ok_or_else(|| eyre!("the ingest does not listen for MQTT"))?;

    narrator.step("devices");
    let devices = register(founded, &client, narrator).await?;
    let fleet = start_fleet(founded, &devices, &client, clock, (ingest.http, mqtt), tasks).await?;

    narrator.step("gateway");
    let listener = gateway_listener(founded)?;
    let gateway = format!("http://{}", listener.addr());
    let config = GatewayConfig {
        dir: founded.folder.gateway(),
        schedule: genesis.schedule(),
        chain_id: genesis.chain_id,
        archives: archives.clone(),
        endpoint: gateway.clone(),
        price_per_kilo_unit: PRICE_PER_KILO_ROW,
        limits: QueryLimits::default(),
    };
    let sender = Sender::new(client.clone(), founded.keys.wallet(Role::Gateway, "gateway"));
    cairn_gateway::start(tasks, config, sender, listener, None)
        .await
        .wrap_err("starting the gateway")?;

    let entry = |(station, id): (&cairn_agent::sensing::Station, &DeviceId)| {
        (station.name.clone(), StationEntry { device: *id, owner: station.owner.clone() })
    };
    let stations: BTreeMap<String, StationEntry> =
        founded.log.stations.iter().zip(&devices).map(entry).collect();
    let endpoints = Endpoints {
        rpc,
        archives,
        ingest: format!("http://{}", ingest.http),
        mqtt: format!("mqtt://{mqtt}"),
        gateway,
        stations,
    };
    Ok(Services { endpoints, fleet, client })
}

/// The ingest's address of the last run, which devices elsewhere may have been told; a free one if somebody took it.
fn ingest_address(founded: &Founded) -> Result<SocketAddr> {
    match last_address(founded, |endpoints| &endpoints.ingest) {
        Some(address) if Listener::bind(address).is_ok() => Ok(address),
        _ => Ok(free_address()?),
    }
}

/// The address of the last run, so that its offer and the leases under it stay good; a free one if somebody took it.
fn gateway_listener(founded: &Founded) -> Result<Listener> {
    let last = last_address(founded, |endpoints| &endpoints.gateway);
    if let Some(listener) = last.and_then(|address| Listener::bind(address).ok()) {
        return Ok(listener);
    }
    Ok(Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?)
}

/// Where a service listened in the last run on this folder.
fn last_address(founded: &Founded, url: impl Fn(&Endpoints) -> &String) -> Option<SocketAddr> {
    let endpoints = founded.folder.read_endpoints().ok()?;
    url(&endpoints).strip_prefix("http://")?.parse().ok()
}

async fn start_validator(
    founded: &Founded,
    network: &Network,
    clock: &NetworkClock,
    index: usize,
    peers: &[(B256, SocketAddr)],
    rpc: SocketAddr,
) -> Result<(ValidatorNode, Shutdown)> {
    let label = validator_label(index);
    let folder = founded.folder.validator(index);
    let keys = NodeKeys {
        consensus: ConsensusKey::Here(founded.keys.ed25519_seed(Role::Validator, &label)),
        operator: founded.keys.wallet(Role::Validator, &label),
    };
    keys.store(&folder)?;
    let mut config = NodeConfig::local(folder, peers[index].1, peers.to_vec());
    config.rpc = RpcConfig::at(rpc);
    let shutdown = Shutdown::new();
    let node = ValidatorNode::start(config, network, &keys, clock.clone(), shutdown.clone())
        .await
        .wrap_err_with(|| format!("starting {label}"))?;
    Ok((node, shutdown))
}

/// Waits until the validators agree on a block of this run.
async fn first_block(client: &LedgerClient, narrator: &Narrator) -> Result<()> {
    let before = client.block_number().await.unwrap_or(0);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while client.block_number().await.unwrap_or(0) <= before {
        if tokio::time::Instant::now() > deadline {
            return Err(eyre!(
                "the validators found no block within 60 s: see the log with CAIRN_LOG=info"
            ));
        }
        narrator.wait().await;
    }
    Ok(())
}

/// Registers every station's device that is not registered yet, in the order of the log.
async fn register(
    founded: &Founded,
    client: &LedgerClient,
    narrator: &Narrator,
) -> Result<Vec<DeviceId>> {
    let known: Vec<DeviceId> =
        client.devices(BlockTag::Latest).await?.iter().map(|d| d.record.id).collect();
    let bond = client.bond_required(SECTOR).await?;
    let mut senders = BTreeMap::<&str, Sender>::new();
    let mut devices = Vec::new();
    for (done, station) in founded.log.stations.iter().enumerate() {
        let key = founded.keys.ed25519(Role::Device, &station.name);
        let id = DeviceId::of(&key.public());
        if !known.contains(&id) {
            let sender = senders.entry(&station.owner).or_insert_with(|| {
                Sender::new(client.clone(), founded.keys.wallet(Role::Owner, &station.owner))
            });
            let device = NewDevice { key: &key, sector: SECTOR, position: station.position, bond };
            // One after the other: the order of registration is the order of the log.
            let registered = sender.register_device(&device).await;
            registered.wrap_err_with(|| format!("registering station {}", station.name))?;
        }
        narrator.progress(done + 1, founded.log.stations.len());
        devices.push(id);
    }
    Ok(devices)
}

async fn start_fleet(
    founded: &Founded,
    devices: &[DeviceId],
    client: &LedgerClient,
    clock: &NetworkClock,
    (http, mqtt): (SocketAddr, SocketAddr),
    tasks: &mut Tasks,
) -> Result<Fleet> {
    let registered = client.devices(BlockTag::Latest).await?;
    let mut fleet = Fleet::default();
    for (index, (station, id)) in founded.log.stations.iter().zip(devices).enumerate() {
        let record = registered.iter().find(|device| device.record.id == *id);
        let record = record
            .ok_or_else(|| eyre!("device {id} of station {} is not registered", station.name))?;
        let courier = if index % MQTT_EVERY == MQTT_EVERY - 1 {
            Courier::Mqtt(Box::new(MqttCourier::new(&mqtt.to_string(), *id)?))
        } else {
            Courier::Http(HttpCourier::new(&format!("http://{http}"))?)
        };
        let (device, handle) = plug_in(founded, station, &record.record, client, clock, courier)?;
        tasks.spawn(&format!("agent.{}", station.name), |stop| device.run(stop));
        fleet.devices.push(handle);
    }
    Ok(fleet)
}

/// The agent of a registered device that reads `station`, with the key and the spool of the station's name.
pub fn plug_in(
    founded: &Founded,
    station: &Station,
    record: &DeviceRecord,
    client: &LedgerClient,
    clock: &NetworkClock,
    courier: Courier,
) -> Result<(Device<LedgerAnchors>, DeviceHandle)> {
    let genesis = &founded.genesis;
    let hash = Genesis::hash_of_text(&founded.text);
    let anchors = LedgerAnchors::new(client.clone(), SECTOR, hash);
    let folder = founded.folder.agent(&station.name);
    std::fs::create_dir_all(&folder).wrap_err_with(|| format!("making {}", folder.display()))?;
    let spool = Spool::open(&folder.join("spool.redb"), record.id)?;
    let config = DeviceConfig {
        key: founded.keys.ed25519(Role::Device, &station.name),
        stream: Stream(0),
        station: station.name.clone(),
        owner: station.owner.clone(),
        position: station.position,
        schedule: genesis.schedule(),
        chain_id: genesis.chain_id,
        ingests: genesis.ingests.iter().map(|ingest| ingest.receipt_key.0).collect(),
        serves_from: record.registered,
    };
    Ok(Device::new(config, station, clock.clone(), anchors, courier, spool)?)
}
