//! What every command of a validator's operator begins with: its keys, its node, and the network that they agree on.

use std::path::PathBuf;

use cairn_client::{BlockTag, Call, LedgerClient, LedgerRead as _, Possession, Sender, Wallet};
use cairn_node::validator::{ConsensusKey, NodeKeys};
use cairn_primitives::{Digest, Genesis, SecretKey, Stones};
use eyre::{Result, WrapErr as _, bail, eyre};

use crate::{
    cli::OperatorArgs,
    host::{ENV_PREFIX, Settings, open_url, settings_path},
    network::Folder,
    output::{Output, stones},
};

/// A validator's operator at its node.
pub struct Operator {
    /// Folder of the validator.
    pub dir: PathBuf,
    /// Its keys.
    pub keys: NodeKeys,
    /// Its account at the node.
    pub sender: Sender,
    /// The network's genesis, as the node tells it.
    pub genesis: Genesis,
    /// The hash that names the network.
    pub hash: Digest,
    /// Where answers go.
    pub output: Output,
    /// Who pays on a local network.
    founder: Option<Wallet>,
}

impl Operator {
    /// Opens the folder and its node, and checks that the node's network is the one that the folder pins.
    pub async fn open(args: &OperatorArgs) -> Result<Self> {
        let settings: Option<Settings> = match settings_path(&args.dir) {
            path if path.exists() => Some(cairn_kit::config::load(&path, ENV_PREFIX)?),
            _ => None,
        };
        let keys = match &settings {
            Some(settings) => settings.keys(&args.dir),
            None => NodeKeys::load(&args.dir).map_err(Into::into),
        };
        let keys = keys.wrap_err_with(|| {
            format!(
                "--dir is {}: the keys of a validator, which `cairn validator init` makes",
                args.dir.display()
            )
        })?;
        let local = args.network.as_deref().map(Folder::new);
        let url = match (&args.rpc, &local, &settings) {
            (Some(url), ..) => url.clone(),
            (None, Some(folder), _) => folder
                .read_endpoints()?
                .rpc
                .first()
                .cloned()
                .ok_or_else(|| eyre!("network.json names no node"))?,
            (None, None, Some(settings)) => open_url(settings.rpc.listen),
            (None, None, None) => bail!(
                "{} is missing: name a node with --rpc, or run `cairn validator init`",
                settings_path(&args.dir).display()
            ),
        };
        let client = LedgerClient::new(&url)?;
        let text =
            client.genesis().await.wrap_err_with(|| format!("asking {url}: does the node run?"))?;
        let hash = Genesis::hash_of_text(&text);
        let pinned = settings.and_then(|settings| settings.genesis_hash);
        if let Some(pin) = pinned.filter(|pin| *pin != hash) {
            bail!(
                "the node at {url} is of the network {hash}, and genesis_hash in node.toml is {pin}"
            );
        }
        let genesis = toml::from_str(&text).wrap_err("parsing the node's genesis")?;
        let founder = local.and_then(|folder| folder.wallet("founder").ok());
        let sender = Sender::new(client, keys.operator.clone());
        let output = Output { json: args.json };
        Ok(Self { dir: args.dir.clone(), keys, sender, genesis, hash, output, founder })
    }

    /// The node.
    pub fn client(&self) -> &LedgerClient {
        self.sender.client()
    }

    /// The proof that a consensus key is this operator's.
    pub fn possession(&self, key: &ConsensusKey) -> Result<Possession> {
        let operator = self.sender.address();
        Ok(match key {
            ConsensusKey::Here(seed) => {
                Possession::of(&SecretKey::ed25519(*seed), self.hash, operator)?
            }
            ConsensusKey::Signer(signer) => {
                if signer.genesis() != self.hash {
                    bail!(
                        "the signer signs for the network {}, and the node is of {}",
                        signer.genesis(),
                        self.hash
                    );
                }
                Possession { key: key.public(), proof: signer.possession(operator)? }
            }
        })
    }

    /// Sees to it that the operator's account holds this much: the founder of a local network pays the difference; elsewhere
    /// the error says what is missing.
    pub async fn needs(&self, needed: Stones) -> Result<()> {
        let me = self.sender.address();
        let held = self.client().balance(me, BlockTag::Latest).await?;
        if held >= needed {
            return Ok(());
        }
        let missing = needed.sub(held)?;
        let Some(founder) = &self.founder else {
            bail!(
                "the operator {me} holds {} and needs {}: send it {}",
                stones(held),
                stones(needed),
                stones(missing)
            );
        };
        let founder = Sender::new(self.client().clone(), founder.clone());
        founder.send_and_wait(&Call::transfer(me, missing)).await?;
        Ok(())
    }
}
