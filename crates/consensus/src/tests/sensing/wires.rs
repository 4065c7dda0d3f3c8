//! What carries files between the simulated machines: as HTTP does, at a price in time, and with an ingest that may lie.

use std::{fmt, time::Duration};

use alloy_primitives::hex;
use bytes::Bytes;
use cairn_evidence::{archive::EpochFile, verifier::Transport};
use cairn_primitives::{Digest, Epoch};
use commonware_runtime::{Clock as _, deterministic};
use futures::future::{BoxFuture, FutureExt as _};

use super::{IngestConduct, Sensing, Served};

/// How long a file takes, virtual time.
const HOP: Duration = Duration::from_millis(60);

/// Where validator `index` serves its archive.
pub fn url(index: usize) -> String {
    format!("http://v{index}.invalid")
}

/// The files of the others as validator `me` gets them.
pub struct Wires {
    me: usize,
    sensing: Sensing,
    clock: deterministic::Context,
}

impl Wires {
    pub const fn new(me: usize, sensing: Sensing, clock: deterministic::Context) -> Self {
        Self { me, sensing, clock }
    }

    fn find(&self, url: &str) -> Option<Bytes> {
        let (host, path) = url.strip_prefix("http://")?.split_once(".invalid/v1/")?;
        if let Some(digest) = path.strip_prefix("files/") {
            let digest = Digest(hex::decode_to_array(digest).ok()?);
            return match host {
                "ingest" => self.of_ingest(&digest),
                peer => self.archive(peer)?.get(&digest).ok()?,
            };
        }
        let (epoch, name) = path.strip_prefix("epochs/")?.split_once('/')?;
        let file = EpochFile::ALL.into_iter().find(|file| file.name() == name)?;
        self.archive(host)?.get_epoch(Epoch(epoch.parse().ok()?), file).ok()?
    }

    fn archive(&self, host: &str) -> Option<&cairn_evidence::archive::Archive> {
        self.sensing.shared.archives.get(host.strip_prefix('v')?.parse::<usize>().ok()?)
    }

    fn of_ingest(&self, digest: &Digest) -> Option<Bytes> {
        let files = self.sensing.shared.files.lock().unwrap();
        let Served { epoch, content, twin } = files.get(digest)?;
        match self.sensing.ingest {
            IngestConduct::Withholds { from } if epoch.0 % 2 == 1 && (from >> self.me) & 1 == 1 => {
                None
            }
            IngestConduct::Equivocates if self.me % 2 == 1 => {
                Some(twin.as_ref().unwrap_or(content).clone())
            }
            _ => Some(content.clone()),
        }
    }
}

impl fmt::Debug for Wires {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the wires of validator {}", self.me)
    }
}

impl Transport for Wires {
    fn get<'a>(&'a self, url: &'a str, limit: u64) -> BoxFuture<'a, Result<Bytes, String>> {
        async move {
            self.clock.sleep(HOP).await;
            let found = self.find(url).filter(|content| content.len() as u64 <= limit);
            found.ok_or_else(|| format!("{url}: nothing there"))
        }
        .boxed()
    }
}
