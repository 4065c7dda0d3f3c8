//! A network beside another command's work: the services, the clock and the supervision of `cairn up`, told to nobody.

use cairn_kit::{NetworkClock, Shutdown};
use eyre::{Result, WrapErr as _, bail};

use super::{
    begin, founding::Founded, narrator::Narrator, services::Services, session_of,
    supervisor::Supervisor,
};
use crate::{cli::UpArgs, session::Session};

/// What the work beside the network sees of it.
pub struct Hosted<'a> {
    /// What it was made of.
    pub founded: &'a Founded,
    /// Its node and files, as every command sees them.
    pub session: &'a Session,
    /// Where everything listens.
    pub services: &'a Services,
    /// Its time.
    pub clock: &'a NetworkClock,
}

/// Starts a network, does `work` while it runs, and stops it; returns what the work returned.
pub async fn beside<T>(
    founded: &Founded,
    work: impl AsyncFnOnce(&Hosted<'_>) -> Result<T>,
) -> Result<T> {
    let narrator = Narrator::quiet();
    let args = UpArgs {
        dir: founded.folder.root().to_path_buf(),
        replay: None,
        epoch_seconds: 1,
        // What is measured here must not depend on the machine's speed.
        patience_seconds: 3_600,
        until: None,
        dev: false,
        seed: 1,
        rpc_port: 0,
        json: true,
    };
    let clock = founded.clock()?;
    let shutdown = Shutdown::new();
    let (tasks, services, results, purchased) =
        begin(&args, founded, &clock, &narrator, &shutdown).await?;
    let session = session_of(founded, &services, &narrator);
    let supervisor = Supervisor {
        args: &args,
        founded,
        services: &services,
        session: &session,
        clock: &clock,
        results: &results,
        purchased,
        narrator: &narrator,
    };
    let hosted = Hosted { founded, session: &session, services: &services, clock: &clock };
    let running = tasks.run();
    tokio::pin!(running);
    let done = tokio::select! {
        done = work(&hosted) => done,
        ended = supervisor.run() => ended.and_then(|_| bail!("the network's supervision ended")),
        ended = &mut running => {
            ended.wrap_err("a part of the network stopped")?;
            bail!("the network stopped by itself");
        }
    };
    shutdown.request();
    running.await.wrap_err("stopping the network")?;
    done
}
