//! Prints what a network of operators does: real operator processes on this machine, one disperser process, real streams.
//!
//! `cargo run --release -p da --example network -- [PART] [--seconds S] [--blob-mib M] [--plot FILE]`
//!
//! PART is one of `write`, `weak` (with the model), `stages`, `slice`; all when not said. Lines for people come first, one JSON object
//! on the last line. `--seconds` is how long the slice is held (60), `--blob-mib` how large its blobs are (32), `--plot` where weak
//! scaling is drawn.
//!
//! **What is real.** Every operator is a process of its own that runs `da::Service`: handshakes, encrypted streams over TCP, checks of
//! heads and rows, files on a folder in memory (`/dev/shm`), a sync before each signature, BLS signatures. The disperser codes
//! random payloads and verifies every signature. **What is not.** There is no chain: each operator's provider answers with the same
//! fixed registry and a height that grows by the clock, and no certificate is submitted, so that every blob is one that
//! nobody has paid for yet. Operators and disperser share the cores of one machine and its loopback, which has no latency and loses
//! nothing; a sync of memory costs nothing. Where a figure comes from a calculation, its name begins with `modelled_`.
//!
//! CPU times are `getrusage`'s, user and system, of whole processes. GB are 1e9 bytes.

mod ballast;
mod figures;
mod model;
mod operator;
mod plot;
mod registry;
mod slice;
mod stages;
mod weak;
mod write;

use figures::Figures;
use std::{path::PathBuf, process::exit};

/// As the program that runs nodes allocates.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the command line asks for.
struct Arguments {
    part: Option<String>,
    /// How long the slice is held, seconds.
    seconds: u64,
    /// Payload of each of the slice's blobs, MiB.
    blob_mib: usize,
    /// Where the plot of weak scaling goes.
    plot: Option<PathBuf>,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self {
            part: None,
            seconds: slice::HELD_SECONDS,
            blob_mib: write::BLOB_BYTES >> 20,
            plot: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--seconds" => {
                    let text = value()?;
                    arguments.seconds = text.parse().map_err(|_| format!("{text} is no count of seconds"))?;
                }
                "--blob-mib" => {
                    let text = value()?;
                    let mib = text.parse().ok().filter(|mib| (1..=128).contains(mib));
                    arguments.blob_mib = mib.ok_or(format!("{text} MiB is no size of a blob: 1 to 128"))?;
                }
                "--plot" => arguments.plot = Some(value()?.into()),
                "write" | "weak" | "stages" | "slice" if arguments.part.is_none() => arguments.part = Some(word),
                _ => return Err(format!("unknown argument {word}")),
            }
        }
        Ok(arguments)
    }

    fn wants(&self, part: &str) -> bool {
        self.part.as_deref().is_none_or(|wanted| wanted == part)
    }
}

fn main() {
    let mut words = std::env::args().skip(1).peekable();
    if words.peek().is_some_and(|word| word == operator::HIDDEN_VERB) {
        operator::run(words.skip(1));
        return;
    }
    let arguments = Arguments::read(words).unwrap_or_else(|error| {
        eprintln!("network: {error}");
        exit(2)
    });
    let mut figures = Figures::default();
    figures.load("before");
    if arguments.wants("write") {
        write::measure(&mut figures);
    }
    // The model's constants are those of the runs beside it.
    if arguments.wants("weak") {
        let points = weak::measure(&mut figures);
        let costs = model::check(&mut figures, &points);
        model::large_networks(&mut figures, &costs);
        if let Some(path) = &arguments.plot {
            plot::write(path, &points).expect("write the plot");
        }
    }
    if arguments.wants("stages") {
        stages::measure(&mut figures);
    }
    if arguments.wants("slice") {
        slice::measure(&mut figures, arguments.seconds, arguments.blob_mib << 20);
    }
    figures.load("after");
    figures.print();
}
