//! What every command that talks to a network begins with: its folder, its node, its public epoch files.

use cairn_client::{BlockTag, Device, LedgerClient, Reads as _, Sender, Wallet};
use cairn_economy::Reward;
use cairn_evidence::archive::{Archive, EpochFile, LeafLine};
use cairn_primitives::{DeviceId, Epoch, MerkleProof, Sector};
use cairn_sectors::{ScoreLeaf, VerdictLeaf};
use eyre::{Result, WrapErr as _, bail, eyre};

use crate::{
    cli::NetworkArgs,
    network::{Endpoints, Folder},
    output::Output,
};

/// The sector of this release.
pub const SECTOR: Sector = Sector::Sensing;

/// An open connection to a network.
pub struct Session {
    /// Its folder.
    pub folder: Folder,
    /// Its endpoints; `None` when only an RPC address was given.
    pub endpoints: Option<Endpoints>,
    /// Its node.
    pub client: LedgerClient,
    /// Where answers go.
    pub output: Output,
}

impl Session {
    /// Opens the network that `args` name and checks that its node answers.
    pub async fn open(args: &NetworkArgs) -> Result<Self> {
        let folder = Folder::new(&args.dir);
        let endpoints = folder.read_endpoints();
        let url = match (&args.rpc, &endpoints) {
            (Some(url), _) => url.clone(),
            (None, Ok(endpoints)) => {
                endpoints.rpc.first().cloned().ok_or_else(|| eyre!("network.json names no node"))?
            }
            (None, Err(_)) => return Err(endpoints.err().unwrap_or_else(|| eyre!("no endpoints"))),
        };
        let client = LedgerClient::new(&url)?;
        client
            .chain_id()
            .await
            .wrap_err_with(|| format!("asking {url}: is the network running?"))?;
        Ok(Self { folder, endpoints: endpoints.ok(), client, output: Output { json: args.json } })
    }

    /// A sender for the account of this name.
    pub fn sender(&self, account: &str) -> Result<Sender> {
        Ok(Sender::new(self.client.clone(), self.folder.wallet(account)?))
    }

    /// A sender for a key.
    pub fn sender_of(&self, wallet: Wallet) -> Sender {
        Sender::new(self.client.clone(), wallet)
    }

    /// Every device in order of registration.
    pub async fn devices(&self) -> Result<Vec<Device>> {
        Ok(self.client.devices(BlockTag::Latest).await?)
    }

    /// The station of a device, where the folder knows it.
    pub fn station_of(&self, device: DeviceId) -> Option<&str> {
        let stations = &self.endpoints.as_ref()?.stations;
        stations.iter().find(|(_, entry)| entry.device == device).map(|(name, _)| name.as_str())
    }

    /// The device with this id or station name.
    pub async fn device(&self, name: &str) -> Result<Device> {
        let by_station =
            self.endpoints.as_ref().and_then(|e| e.stations.get(name)).map(|entry| entry.device);
        let id = match by_station {
            Some(id) => id,
            None => name.parse().map_err(|reason: String| {
                let known = self.endpoints.iter().flat_map(|e| e.stations.keys());
                let known: Vec<_> = known.map(String::as_str).collect();
                eyre!("{reason}; stations are {}", known.join(", "))
            })?,
        };
        Ok(self.client.device(id, BlockTag::Latest).await?)
    }

    /// The last final epoch; `None` before the first.
    pub async fn last_final(&self) -> Result<Option<Epoch>> {
        Ok(self.client.next_epoch(SECTOR, BlockTag::Latest).await?.previous())
    }

    /// One public file of a final epoch, from a validator over HTTP, else from this machine's folder.
    pub async fn epoch_file(&self, epoch: Epoch, file: EpochFile) -> Result<Vec<u8>> {
        for url in self.endpoints.iter().flat_map(|e| &e.archives) {
            let url = format!("{url}/v1/epochs/{epoch}/{}", file.name());
            let Ok(response) = reqwest::get(&url).await else { continue };
            if response.status().is_success() {
                return Ok(response
                    .bytes()
                    .await
                    .wrap_err_with(|| format!("reading {url}"))?
                    .to_vec());
            }
        }
        for index in 0..crate::network::VALIDATORS {
            let archive = Archive::new(self.folder.validator(index).join("archive"));
            if let Some(bytes) = archive.get_epoch(epoch, file)? {
                return Ok(bytes.to_vec());
            }
        }
        bail!("no validator serves {} of epoch {epoch}: is the epoch final?", file.name())
    }

    /// The reward leaves of a final epoch, in leaf order.
    pub async fn rewards(&self, epoch: Epoch) -> Result<Vec<Reward>> {
        let file = self.epoch_file(epoch, EpochFile::Rewards).await?;
        LeafLine::bytes_of(&file)?
            .iter()
            .map(|bytes| Reward::decode(bytes).map_err(Into::into))
            .collect()
    }

    /// The score leaves of a final epoch.
    pub async fn scores(&self, epoch: Epoch) -> Result<Vec<ScoreLeaf>> {
        let file = self.epoch_file(epoch, EpochFile::Scores).await?;
        LeafLine::bytes_of(&file)?
            .iter()
            .map(|bytes| ScoreLeaf::from_bytes(bytes).map_err(Into::into))
            .collect()
    }

    /// The verdict leaves of a final epoch.
    pub async fn verdicts(&self, epoch: Epoch) -> Result<Vec<VerdictLeaf>> {
        let file = self.epoch_file(epoch, EpochFile::Verdicts).await?;
        LeafLine::bytes_of(&file)?
            .iter()
            .map(|bytes| VerdictLeaf::from_bytes(bytes).map_err(Into::into))
            .collect()
    }
}

/// The proof of reward number `index` among `rewards`.
pub fn proof_of(rewards: &[Reward], index: usize) -> Result<MerkleProof> {
    cairn_economy::reward_tree(rewards)
        .proof(index)
        .ok_or_else(|| eyre!("there is no reward {index}"))
}
