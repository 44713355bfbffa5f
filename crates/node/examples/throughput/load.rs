//! Load through JSON-RPC: as little of it as possible is ours, for it shares the cores with what is measured.
//!
//! One connection to each endpoint, on a thread of its own, with HTTP's keep-alive and batches of calls.

use crate::workload::{FUNDS_WEI, SENDERS, Signed, Workload};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Transactions in a batch.
const BATCH: usize = 100;
/// How long to wait when a pool takes no more.
const FULL_PAUSE: Duration = Duration::from_millis(20);
/// Single transfers whose finality is timed.
pub const PROBES: u64 = 60;
/// How often a receipt is asked for.
const RECEIPT_PAUSE: Duration = Duration::from_millis(4);
/// Longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to an endpoint.
pub struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Client {
    /// Connects.
    pub fn connect(endpoint: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(endpoint)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::with_capacity(1 << 16, stream),
            host: endpoint.to_string(),
        })
    }

    /// Posts a body; the answer's.
    fn post(&mut self, body: &str) -> std::io::Result<String> {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        let to = self.stream.get_mut();
        to.write_all(head.as_bytes())?;
        to.write_all(body.as_bytes())?;
        let invalid = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
        let mut length = None;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(invalid("the connection ended"));
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse::<usize>().ok();
            }
        }
        let mut answer = vec![0; length.ok_or_else(|| invalid("an answer of unknown length"))?];
        self.stream.read_exact(&mut answer)?;
        String::from_utf8(answer).map_err(|_| invalid("an answer that is no text"))
    }

    /// Calls a method; its result, null where there is none.
    pub fn call(&mut self, method: &str, parameters: serde_json::Value) -> serde_json::Value {
        let body = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters });
        let answer = self.post(&body.to_string()).expect("an answer");
        serde_json::from_str::<serde_json::Value>(&answer).expect("JSON")["result"].take()
    }
}

/// Load that goes on in the background.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// What was sent.
pub struct Taken {
    /// Transactions that pools took.
    pub sent: u64,
}

impl Load {
    /// Sends `transactions` to `endpoints`, each sender's to one: as fast as they are taken, or `per_s` of them a second.
    pub fn start(endpoints: Vec<SocketAddr>, transactions: &[Signed], per_s: Option<f64>) -> Self {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let count = endpoints.len();
        let threads = endpoints
            .into_iter()
            .enumerate()
            .map(|(index, endpoint)| {
                let own = transactions
                    .iter()
                    .filter(|signed| signed.sender as usize % count == index);
                // Written before the clock runs, so that encoding it is not measured.
                let own: Vec<String> = own.map(|signed| call_of(&signed.raw)).collect();
                let (stop, sent) = (stop.clone(), sent.clone());
                let per_s = per_s.map(|per_s| per_s / count as f64);
                std::thread::spawn(move || send(endpoint, &own, per_s, &stop, &sent))
            })
            .collect();
        Self { stop, sent, threads }
    }

    /// Waits until all was taken.
    pub fn wait(self) {
        for thread in self.threads {
            thread.join().expect("the load ran");
        }
    }

    /// Ends it.
    pub fn stop(self) -> Taken {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("the load ran");
        }
        Taken {
            sent: self.sent.load(Ordering::Relaxed),
        }
    }
}

fn call_of(raw: &[u8]) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x{}"]}}"#,
        primitives::hex::encode(raw)
    )
}

fn send(endpoint: SocketAddr, calls: &[String], per_s: Option<f64>, stop: &AtomicBool, sent: &AtomicU64) {
    let mut client = Client::connect(endpoint).expect("connect to a node");
    let begun = Instant::now();
    let (mut next, mut body) = (0, String::new());
    while next < calls.len() && !stop.load(Ordering::Relaxed) {
        if let Some(per_s) = per_s {
            let due = Duration::from_secs_f64(next as f64 / per_s);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        let batch = &calls[next..calls.len().min(next + BATCH)];
        body.clear();
        body.push('[');
        body.push_str(&batch.join(","));
        body.push(']');
        let answer = client.post(&body).expect("an answer");
        // Transactions of a batch are taken or refused one by one; the first that was refused, and all after it, are sent again. Those
        // that were taken after all are known by then, which is no harm.
        let taken = answer.matches(r#""result""#).count();
        let known = answer.matches("already known").count() + answer.matches("already imported").count();
        let refused = batch.len() - taken - known;
        sent.fetch_add(taken as u64, Ordering::Relaxed);
        if refused == 0 {
            next += batch.len();
            continue;
        }
        let first = answers(&answer).position(|refused| refused).unwrap_or(0);
        next += first;
        std::thread::sleep(FULL_PAUSE);
    }
}

/// Whether each call of a batch was refused, in order.
fn answers(answer: &str) -> impl Iterator<Item = bool> + use<> {
    let answers: Vec<serde_json::Value> = serde_json::from_str(answer).expect("a batch's answer is a list");
    answers.into_iter().map(|answer| {
        let message = answer["error"]["message"].as_str();
        message.is_some_and(|message| !message.contains("already"))
    })
}

/// Returns when an endpoint answers.
pub fn wait_until_up(endpoint: &SocketAddr) {
    let begun = Instant::now();
    while Client::connect(*endpoint).is_err() {
        assert!(begun.elapsed() < PATIENCE, "nobody listens at {endpoint}");
        std::thread::sleep(RECEIPT_PAUSE);
    }
}

/// Gives the senders their balances, on a chain that has a call for it.
pub fn fund(endpoint: &SocketAddr, workload: &Workload) -> bool {
    let mut client = Client::connect(*endpoint).expect("connect to a node");
    workload.senders().all(|sender| {
        let parameters = serde_json::json!([sender.to_string(), format!("{FUNDS_WEI:#x}")]);
        client.call("anvil_setBalance", parameters).is_null()
    })
}

/// Transactions a second in the blocks of the last moments: from one block to the last one some seconds later.
pub fn rate_over(endpoint: &SocketAddr, seconds: Duration) -> f64 {
    let mut client = Client::connect(*endpoint).expect("connect to a node");
    let number = |value: &serde_json::Value| {
        let digits = value
            .as_str()
            .and_then(|value| value.strip_prefix("0x"))
            .expect("a quantity");
        u64::from_str_radix(digits, 16).expect("a quantity")
    };
    let begun = Instant::now();
    let first = number(&client.call("eth_blockNumber", serde_json::json!([])));
    let (mut next, mut transactions) = (first + 1, 0);
    while begun.elapsed() < seconds {
        std::thread::sleep(FULL_PAUSE);
        // Counted as they come, for a chain may forget its blocks.
        let last = number(&client.call("eth_blockNumber", serde_json::json!([])));
        while next <= last {
            let block = serde_json::json!([format!("{next:#x}")]);
            transactions += number(&client.call("eth_getBlockTransactionCountByNumber", block));
            next += 1;
        }
    }
    transactions as f64 / begun.elapsed().as_secs_f64()
}

/// Milliseconds from giving each of `probes` to a validator, in turn, until that validator has its receipt.
pub fn finality_ms(endpoints: &[SocketAddr], probes: &[Signed]) -> Vec<f64> {
    let mut clients: Vec<_> = endpoints
        .iter()
        .map(|endpoint| Client::connect(*endpoint).expect("connect to a node"))
        .collect();
    let count = clients.len();
    probes
        .iter()
        .enumerate()
        .map(|(index, probe)| {
            // Any moment between two blocks, the same ones in each run.
            std::thread::sleep(Duration::from_millis(37 * index as u64 % 250));
            let client = &mut clients[index % count];
            let given = Instant::now();
            let raw = format!("0x{}", primitives::hex::encode(&probe.raw));
            let hash = client.call("eth_sendRawTransaction", serde_json::json!([raw]));
            assert!(hash.is_string(), "a probe is taken");
            while client
                .call("eth_getTransactionReceipt", serde_json::json!([hash]))
                .is_null()
            {
                assert!(given.elapsed() < PATIENCE, "a probe becomes final");
                std::thread::sleep(RECEIPT_PAUSE);
            }
            given.elapsed().as_secs_f64() * 1e3
        })
        .collect()
}

const _: () = assert!(
    SENDERS as usize > BATCH,
    "a batch has at most one transaction of a sender"
);
