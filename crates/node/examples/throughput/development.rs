//! Development chains in processes of their own: ours, and foundry's.

use crate::{load, validator, workload};
use node::{DevelopmentNode, DevelopmentOptions};
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

/// First argument of our process.
pub const HIDDEN_VERB: &str = "development-process";
/// A clock tick of `/proc`: a hundredth of a second on all that Linux runs on.
const TICKS_PER_S: f64 = 100.0;

/// A development chain that runs. Killed when dropped.
pub struct DevelopmentProcess {
    child: Child,
    /// Where it answers JSON-RPC.
    pub address: SocketAddr,
}

impl DevelopmentProcess {
    /// Ours, as `aloft up --dev` starts it: a block as soon as transactions wait.
    pub fn aloft() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        Self::start(&program, |port| vec![HIDDEN_VERB.into(), port.to_string()])
    }

    /// foundry's: a block a second, of any size, no history, nothing printed. Whether other settings are faster was not searched for.
    pub fn anvil(program: &Path) -> Self {
        Self::start(program, |port| {
            let words = format!(
                "--port {port} --chain-id {} --gas-limit 30000000000 --block-time 1 --silent --prune-history --order fifo \
                 --no-request-size-limit",
                workload::CHAIN_ID
            );
            words.split_whitespace().map(str::to_owned).collect()
        })
    }

    /// foundry's, with blocks that it is told to make, of as much gas as ours may use.
    pub fn anvil_on_demand(program: &Path) -> Self {
        Self::start(program, |port| {
            let (chain_id, gas) = (workload::CHAIN_ID, workload::GAS_LIMIT);
            let words =
                format!("--port {port} --chain-id {chain_id} --gas-limit {gas} --silent --no-request-size-limit");
            words.split_whitespace().map(str::to_owned).collect()
        })
    }

    fn start(program: &Path, words: impl FnOnce(u16) -> Vec<String>) -> Self {
        let port = validator::free_ports(1)[0].rpc;
        let child = Command::new(program)
            .args(words(port))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("start {}: {error}", program.display()));
        let address = ([127, 0, 0, 1], port).into();
        load::wait_until_up(&address);
        Self { child, address }
    }

    /// CPU time of the process, seconds.
    pub fn cpu_s(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(path).expect("a process that runs");
        // The name, which may hold spaces, is in parentheses; the times are the 12th and 13th word after it.
        let (_, words) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks = words.split_whitespace().skip(11).take(2);
        ticks
            .map(|word| word.parse::<f64>().expect("a count of ticks") / TICKS_PER_S)
            .sum()
    }
}

impl Drop for DevelopmentProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our process: runs until its standard input ends.
pub fn run(mut words: impl Iterator<Item = String>) {
    let port: u16 = words.next().and_then(|word| word.parse().ok()).expect("a port");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _chain = runtime
        .block_on(DevelopmentNode::start(DevelopmentOptions {
            listen: ([127, 0, 0, 1], port).into(),
            chain_id: None,
            block_time: None,
            state: None,
        }))
        .expect("a development chain");
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
}
