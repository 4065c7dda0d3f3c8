//! Hosts of their own inside one machine: network namespaces with an address each, joined by a bridge.
//!
//! The test runs itself again under `unshare`: its namespaces, links and processes live in a mount, network and process
//! namespace of their own and end with its first process, whatever happens. Nothing of the machine's own network is
//! touched. It needs root, `unshare` and `ip`.

use std::{
    env,
    path::Path,
    process::Command,
    sync::{Mutex, PoisonError},
};

/// Tells the test that it runs inside.
const INSIDE: &str = "CAIRN_TEST_HOSTS_INSIDE";

/// The hosts' network.
pub struct Lab {
    hosts: u8,
}

/// Where a test runs.
enum Place {
    /// Inside: go on.
    Inside,
    /// Outside, and the test ran inside and passed.
    Passed,
    /// Such a place cannot be made here, for this reason.
    Impossible(String),
}

/// Runs `scenario` as the test called `name`, on hosts of its own; passes it over, and says why, where there can be none.
pub fn on_hosts(name: &str, scenario: impl Future<Output = ()>) {
    match enter(name) {
        Place::Inside => {}
        Place::Passed => return,
        Place::Impossible(reason) => {
            println!("skipped: no network namespaces here ({reason})");
            return;
        }
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(scenario);
}

/// Runs the test called `name` inside, or says that this is inside. One test after the other: each wants the whole machine.
fn enter(name: &str) -> Place {
    static ONE: Mutex<()> = Mutex::new(());
    if env::var_os(INSIDE).is_some() {
        return Place::Inside;
    }
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let unshare = |program: &str, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.arg(program).args(arguments);
        command
    };
    // A bridge is what a machine without rights or kernel support fails at first.
    match unshare("ip", &["link", "add", "br0", "type", "bridge"]).output() {
        Err(error) => return Place::Impossible(format!("`unshare` does not run: {error}")),
        Ok(probe) if !probe.status.success() => {
            let reason = String::from_utf8_lossy(&probe.stderr).trim().to_owned();
            return Place::Impossible(format!("needs root and iproute2: {reason}"));
        }
        Ok(_) => {}
    }
    let program = env::current_exe().expect("this test is a file");
    let program = program.to_str().expect("its path is text");
    let status = unshare(program, &["--exact", name, "--nocapture"]).env(INSIDE, "1").status();
    assert!(status.expect("it ran before").success(), "{name} failed inside its namespaces");
    Place::Passed
}

fn run(program: &str, arguments: &str) -> Result<(), String> {
    let output = Command::new(program).args(arguments.split(' ')).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn ip(arguments: &str) {
    run("ip", arguments).unwrap();
}

impl Lab {
    /// `hosts` hosts, numbered from 1, and this process beside them.
    pub fn new(hosts: u8) -> Self {
        std::fs::create_dir_all("/run/netns").expect("a folder for namespaces");
        run("mount", "-t tmpfs tmpfs /run/netns").unwrap();
        ip("link set lo up");
        ip("link add br0 type bridge");
        ip("addr add 10.77.0.254/24 dev br0");
        ip("link set br0 up");
        for host in 1..=hosts {
            ip(&format!("netns add h{host}"));
            ip(&format!("link add v{host} type veth peer name eth0 netns h{host}"));
            ip(&format!("link set v{host} master br0 up"));
            ip(&format!("-n h{host} addr add {}/24 dev eth0", Self::address(host)));
            ip(&format!("-n h{host} link set eth0 up"));
            ip(&format!("-n h{host} link set lo up"));
        }
        Self { hosts }
    }

    /// Gives a folder a disk of its own of so many MiB, gone with the test's mount namespace.
    pub fn disk(&self, folder: &Path, mib: u32) {
        std::fs::create_dir_all(folder).expect("a folder");
        let folder = folder.to_str().expect("text");
        run("mount", &format!("-t tmpfs -o size={mib}m,mode=0700 tmpfs {folder}")).unwrap();
    }

    /// The address of a host.
    pub fn address(host: u8) -> String {
        format!("10.77.0.{host}")
    }

    /// A command on a host.
    pub fn on(&self, host: u8, program: &str) -> Command {
        assert!((1..=self.hosts).contains(&host), "there is no host {host}");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("h{host}"), program]);
        command
    }

    /// Cuts the way between every host of `left` and every one of `right`, both ways; this process reaches all.
    pub fn part(&self, left: &[u8], right: &[u8]) {
        self.between(left, right, "add");
    }

    /// Undoes `part`.
    pub fn heal(&self, left: &[u8], right: &[u8]) {
        self.between(left, right, "del");
    }

    fn between(&self, left: &[u8], right: &[u8], what: &str) {
        for (from, to) in left.iter().flat_map(|l| right.iter().flat_map(|r| [(*l, *r), (*r, *l)]))
        {
            ip(&format!("-n h{from} route {what} blackhole {}/32", Self::address(to)));
        }
    }

    /// Delays everything that a host sends; an error where the kernel cannot.
    pub fn delay(&self, host: u8, milliseconds: u32) -> Result<(), String> {
        run("tc", &format!("-n h{host} qdisc add dev eth0 root netem delay {milliseconds}ms"))
    }
}
