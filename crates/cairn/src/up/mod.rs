//! `cairn up`: a whole network in one process, from nothing to the first verified and paid reward.
//!
//! ```text
//! founding ─► services (validators, ingest, devices, gateway) ─► consumer
//!                 ▲ clock limit                │ ledger, epoch files
//!             governor ◄── facts ── supervisor ┴─► narrator (events), treasurer (claims), last report
//! ```

mod consumer;
mod founding;
mod governor;
mod hosted;
mod narrator;
mod results;
mod services;
mod supervisor;

pub use founding::{Founded, found_changed, time_scale};
pub use hosted::{Hosted, beside};
pub use services::plug_in;

use std::{sync::Arc, time::Duration};

use cairn_client::{BlockTag, PriceReads as _, Role};
use cairn_kit::{NetworkClock, Shutdown, Tasks};
use eyre::{Result, WrapErr as _, bail};
use serde_json::json;
use tokio::sync::watch;

use crate::{
    cli::UpArgs,
    output::{Output, usd},
    session::Session,
    up::{
        consumer::Buyer, founding::found, narrator::Narrator, results::Results,
        supervisor::Supervisor,
    },
};

/// Errors of a station log that are shown one by one; the rest is counted.
const ROW_ERRORS_SHOWN: usize = 20;

/// Runs a network until it is stopped or `--until` is reached.
pub async fn up(args: &UpArgs) -> Result<()> {
    let narrator = Narrator::new(Output { json: args.json });
    narrator.step("network");
    let founded = found(args)?;
    let log = &founded.log;
    for error in log.errors.iter().take(ROW_ERRORS_SHOWN) {
        let value = json!({ "line": error.line, "field": error.field, "value": error.value, "reason": error.reason });
        narrator
            .event("row_refused", value, || format!("station log, {}", founding::describe(error)));
    }
    if log.errors_total > 0 {
        let (used, refused) = (log.rows, log.errors_total);
        narrator.event("rows_read", json!({ "used": used, "refused": refused }), || {
            format!("station log: {used} rows used, {refused} refused")
        });
    }

    let clock = founded.clock()?;
    let shutdown = Shutdown::new();
    let (tasks, services, results, purchased) =
        begin(args, &founded, &clock, &narrator, &shutdown).await?;
    narrator.started();
    announce(&narrator, &founded, &services).await?;

    let session = session_of(&founded, &services, &narrator);
    let supervisor = Supervisor {
        args,
        founded: &founded,
        services: &services,
        session: &session,
        clock: &clock,
        results: &results,
        purchased,
        narrator: &narrator,
    };
    let running = tasks.run();
    tokio::pin!(running);
    let report = tokio::select! {
        report = supervisor.run() => report,
        ended = &mut running => {
            ended.wrap_err("a part of the network stopped")?;
            bail!("the network stopped by itself");
        }
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None).wrap_err("waiting for Ctrl-C"),
    };
    shutdown.request();
    running.await.wrap_err("stopping the network")?;
    if let Some(report) = report? {
        narrator.output().answer(&report, || supervisor.report_text());
    }
    Ok(())
}

/// Starts everything; what was started before a failure is stopped, so that the folder is free again.
async fn begin(
    args: &UpArgs,
    founded: &Founded,
    clock: &NetworkClock,
    narrator: &Narrator,
    shutdown: &Shutdown,
) -> Result<(Tasks, services::Services, Arc<Results>, watch::Receiver<u64>)> {
    let mut tasks = Tasks::new(shutdown.clone());
    match start(args, founded, clock, &mut tasks, narrator).await {
        Ok((services, results, purchased)) => Ok((tasks, services, results, purchased)),
        Err(error) => {
            shutdown.request();
            if let Err(also) = tasks.run().await {
                let error = &also as &dyn std::error::Error;
                tracing::warn!(error, "stopping after a failed start");
            }
            Err(error)
        }
    }
}

/// The network as every command sees it.
fn session_of(founded: &Founded, services: &services::Services, narrator: &Narrator) -> Session {
    Session {
        folder: founded.folder.clone(),
        endpoints: Some(services.endpoints.clone()),
        client: services.client.clone(),
        output: narrator.output(),
    }
}

/// Starts the services, writes where they are, and prepares the consumer.
async fn start(
    args: &UpArgs,
    founded: &founding::Founded,
    clock: &NetworkClock,
    tasks: &mut Tasks,
    narrator: &Narrator,
) -> Result<(services::Services, Arc<Results>, watch::Receiver<u64>)> {
    let services = services::start(founded, clock, args.rpc_port, tasks, narrator).await?;
    std::fs::write(founded.folder.endpoints(), serde_json::to_string_pretty(&services.endpoints)?)
        .wrap_err("writing network.json")?;
    narrator.step("consumer");
    let results = Arc::new(Results::default());
    let wallet = founded.keys.wallet(Role::Consumer, "consumer");
    let (mut buyer, purchased) = Buyer::new(
        &services.endpoints.gateway,
        wallet,
        services.client.clone(),
        Arc::clone(&results),
        founded.folder.consumer(),
        // Less than the clock waits: a purchase that fails is no reason to force it.
        Duration::from_secs(args.patience_seconds) / 2,
    )?;
    buyer.prepare().await.wrap_err("preparing the consumer")?;
    tasks.spawn("consumer", |stop| async move {
        buyer.run(stop).await;
        Ok::<(), std::convert::Infallible>(())
    });
    Ok((services, results, purchased))
}

async fn announce(
    narrator: &Narrator,
    founded: &founding::Founded,
    services: &services::Services,
) -> Result<()> {
    let (price, price_of) = services.client.price_now(BlockTag::Latest).await?;
    let endpoints = &services.endpoints;
    let accounts: Vec<_> = founded
        .genesis
        .accounts
        .iter()
        .map(|a| json!({ "name": a.name, "address": a.address.to_string(), "stones": a.stones }))
        .collect();
    let value = json!({
        "rpc": endpoints.rpc.first(), "ingest": endpoints.ingest, "mqtt": endpoints.mqtt, "gateway": endpoints.gateway,
        "chain_id": founded.genesis.chain_id, "dir": founded.folder.root(), "new": founded.is_new,
        "devices": founded.log.stations.len(), "accounts": accounts,
        "price_usd": price.to_string(), "price_of": price_of.name(),
    });
    narrator.event("ready", value, || {
        let named = |a: &cairn_primitives::GenesisAccount| format!("             {:<16} {}", a.name, a.address);
        let accounts: Vec<_> = founded.genesis.accounts.iter().map(named).collect();
        format!(
            "{} validators, {} devices are up{}\n\n  JSON-RPC   {}   (chain id {})\n  ingest     {}   {}\n  gateway    {}\n  \
             accounts   keys in {}\n{}\n  price      {} per STONE, by {}\n",
            founded.genesis.validators.len(), founded.log.stations.len(),
            if founded.is_new { "" } else { "; going on from disk" },
            endpoints.rpc.first().map_or("", String::as_str), founded.genesis.chain_id, endpoints.ingest, endpoints.mqtt,
            endpoints.gateway, founded.folder.root().join("keys").display(), accounts.join("\n"), usd(price), price_of.name(),
        )
    });
    Ok(())
}
