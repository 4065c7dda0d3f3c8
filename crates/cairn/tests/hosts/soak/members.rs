//! Validators that join and leave, by the commands of docs/runbooks/validator.md, one after the other.

use std::{
    borrow::Cow,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use alloy_primitives::Address;
use cairn_client::{BlockTag, LedgerClient, Reads as _, StakeReads as _};
use tokio::{sync::watch, task::JoinHandle};

use crate::node::{CAIRN, Plan, json};

/// Between two looks at the seats.
const LOOK: Duration = Duration::from_millis(500);
const BOND: &str = "100000";

/// The coming and going, while it goes on.
pub struct Members {
    stop: watch::Sender<bool>,
    turns: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// A validator's folder and its operator.
struct Member {
    folder: PathBuf,
    operator: Address,
}

impl Member {
    fn of(plan: &Plan) -> Self {
        let folder = plan.dir.clone();
        let made = json(&["validator", "init", "--dir", folder.to_str().expect("text"), "--json"]);
        let operator = made["operator"].as_str().and_then(|text| text.parse().ok());
        Self { folder, operator: operator.expect("an address") }
    }
}

impl Member {
    fn name(&self) -> Cow<'_, str> {
        self.folder.file_name().unwrap_or_default().to_string_lossy()
    }
}

struct Turn {
    members: Vec<Member>,
    clients: Vec<LedgerClient>,
    stopped: watch::Receiver<bool>,
    turns: Arc<AtomicUsize>,
}

impl Members {
    /// The last of `plans` joins first; then it and the founders leave and come back in turn.
    pub fn start(plans: &[Plan], clients: Vec<LedgerClient>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let turns = Arc::<AtomicUsize>::default();
        let members = plans.iter().rev().map(Member::of).collect();
        let turn = Turn { members, clients, stopped, turns: Arc::clone(&turns) };
        Self { stop, turns, task: tokio::spawn(turn.run()) }
    }

    /// How often somebody's seat came or went.
    pub fn turns(&self) -> usize {
        self.turns.load(Ordering::Relaxed)
    }

    /// Ends it where it is.
    pub async fn stop(self) -> usize {
        self.stop.send_replace(true);
        self.task.await.expect("joining and leaving goes well");
        self.turns.load(Ordering::Relaxed)
    }
}

impl Turn {
    async fn run(self) {
        let newcomer = &self.members[0];
        if !self.joins(newcomer).await {
            return;
        }
        for member in self.members.iter().cycle() {
            // A validator leaves, serves out its seats, exits, and stands again.
            if !(self.does(member, &["leave"]).await
                && self.seat_becomes(member, false).await
                && self.does(member, &["exit"]).await
                && self.joins(member).await)
            {
                return;
            }
        }
    }

    async fn joins(&self, member: &Member) -> bool {
        self.does(member, &["join", "--bond", BOND, "--yes"]).await
            && self.seat_becomes(member, true).await
    }

    /// Runs `cairn validator …` through whoever answers, until it succeeds; `false` when it is time to stop.
    async fn does(&self, member: &Member, words: &[&str]) -> bool {
        let mut told = String::new();
        while !*self.stopped.borrow() {
            for client in &self.clients {
                match self.ask(member, words, client.url()).await {
                    Ok(()) => return true,
                    // Its node may have gone between the block and the answer.
                    Err(_) if self.is_done(member, words[0]).await => return true,
                    // Somebody is always away; what stays the same is worth a line.
                    Err(reason) if reason != told => {
                        println!("           {} {words:?}: {reason}", member.name());
                        told = reason;
                    }
                    Err(_) => {}
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }

    /// Whether what a command does has been done, by the first node that answers.
    async fn is_done(&self, member: &Member, command: &str) -> bool {
        let status = match command {
            "join" => 1,
            "leave" => 2,
            _ => 3,
        };
        for client in &self.clients {
            if let Ok(candidate) = client.candidate(member.operator, BlockTag::Latest).await {
                return candidate.is_some_and(|candidate| candidate.status == status);
            }
        }
        false
    }

    /// Beside the runtime: a command waits for its block, and nothing else may wait for the command.
    async fn ask(&self, member: &Member, words: &[&str], rpc: &str) -> Result<(), String> {
        let mut command = Command::new(CAIRN);
        command.arg("validator").args(words).arg("--dir").arg(&member.folder);
        command.args(["--rpc", rpc, "--json"]);
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.expect("it ends").expect("the program runs");
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// Whether it has a seat in the running term, by the first node that answers.
    async fn seat(&self, member: &Member) -> Option<bool> {
        for client in &self.clients {
            if let Ok(seats) = client.validators(BlockTag::Latest).await {
                return Some(seats.iter().any(|seat| seat.operator == member.operator));
            }
        }
        None
    }

    /// Waits until the validator has a seat, or none; `false` when it is time to stop.
    async fn seat_becomes(&self, member: &Member, seated: bool) -> bool {
        loop {
            if *self.stopped.borrow() {
                return false;
            }
            if self.seat(member).await == Some(seated) {
                self.turns.fetch_add(1, Ordering::Relaxed);
                let has = if seated { "has a seat" } else { "has left" };
                println!("           {} {has}", member.name());
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
