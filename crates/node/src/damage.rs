//! What a node says when files that it keeps are damaged, missing or cannot be written: which, and what to do next.
//!
//! | files                                                          | what they hold            | where else it is      |
//! |----------------------------------------------------------------|---------------------------|-----------------------|
//! | `chain.redb`                                                   | blocks and the last state | with other validators |
//! | `runtime/consensus-{blocks,finalizations,marshal}*`            | final blocks for peers    | with other validators |
//! | `runtime/consensus-simplex-*`                                  | own votes, by epochs                 | nowhere               |
//! | `runtime/consensus-beacon-*`                                   | shares of the beacon's key | nowhere; dealt anew in the next epoch |
//! | `runtime/rows`                                                 | rows of blobs             | repaired by itself    |
//! | `till.redb`                                                    | vouchers not settled      | nowhere               |
//! | `seed`, `release-share`                                        | secrets                   | with their owner      |

use chain::{LedgerError, consensus::Halt};
use std::{
    any::Any,
    fmt,
    path::{Path, PathBuf},
};

/// Name in front of what consensus keeps in the runtime's folder.
pub(crate) const CONSENSUS: &str = "consensus";

/// Why a node could not use a file, said so that its operator can go on.
#[derive(Debug, thiserror::Error)]
pub enum DamageError {
    /// The chain's file is not what was written to it.
    #[error("{path} is damaged: move it and {shared} away and start again; the other validators send the blocks anew")]
    Chain {
        /// The file.
        path: PathBuf,
        /// What else has to go, so that the blocks are asked for again.
        shared: SharedJournals,
        /// What is wrong with it.
        source: Box<LedgerError>,
    },
    /// The chain's file could not be written.
    #[error("write {path}: if the disk is full, make room and start again; nothing final is lost")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the store said.
        source: Halt,
    },
    /// What consensus keeps for peers is damaged, or is not of the chain's file.
    #[error("{shared} cannot be used: move them away and start again; the other validators send the blocks anew")]
    Journals {
        /// The files.
        shared: SharedJournals,
        /// What is wrong with them.
        source: Fault,
    },
    /// The own votes are damaged. Without them a validator may contradict itself.
    #[error(
        "the votes in {path} are damaged: without them this validator could contradict itself, so its keys must not vote in this network again"
    )]
    Votes {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        source: Fault,
    },
    /// A part of the node ended, by an assertion or without a word: its disk refused a write, or it has a bug.
    #[error("a part of the node failed; if the disk of {folder} is full, make room and start again")]
    Part {
        /// Where the node's journals are.
        folder: PathBuf,
        /// What it said.
        source: Fault,
    },
}

/// The journals of final blocks, which the other validators have too.
#[derive(Clone, Debug)]
pub struct SharedJournals {
    folder: PathBuf,
}

impl fmt::Display for SharedJournals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        write!(f, "{folder}/{CONSENSUS}-{{blocks,finalizations,marshal}}*")
    }
}

/// What a library said as it failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An assertion.
    #[error("{0}")]
    Assertion(String),
    /// An error.
    #[error(transparent)]
    Halt(Box<Halt>),
}

/// What it means that the chain at `path` did not open, where `runtime` holds the journals; the error itself where no file is at fault.
pub(crate) fn of_chain(path: &Path, runtime: &Path, error: LedgerError) -> Result<DamageError, LedgerError> {
    match error {
        LedgerError::Store(store) if store.is_damage() => Ok(DamageError::Chain {
            path: path.to_owned(),
            shared: shared(runtime),
            source: Box::new(LedgerError::Store(store)),
        }),
        other => Err(other),
    }
}

/// What it means that consensus stopped; the halt itself where no file is at fault.
pub(crate) fn of_halt(chain: &Path, runtime: &Path, halt: Halt) -> Result<DamageError, Halt> {
    match halt {
        Halt::Journals(_) | Halt::BlockMissing { .. } | Halt::LedgerBehind { .. } => Ok(DamageError::Journals {
            shared: shared(runtime),
            source: Fault::Halt(Box::new(halt)),
        }),
        Halt::Ledger { ref source, .. } if matches!(**source, LedgerError::Store(_)) => Ok(DamageError::Write {
            path: chain.to_owned(),
            source: halt,
        }),
        // A part of consensus ended: its disk refused it something, or it has a bug.
        Halt::Stopped | Halt::Votes(_) => Ok(DamageError::Part {
            folder: runtime.to_owned(),
            source: Fault::Halt(Box::new(halt)),
        }),
        other => Err(other),
    }
}

/// What it means that a part of the node panicked: the engine asserts that its journals open and take what it writes.
pub(crate) fn of_panic(runtime: &Path, payload: &(dyn Any + Send)) -> DamageError {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("no reason given").to_owned();
    let source = Fault::Assertion(text.clone());
    if let Some(votes) = votes_named(&text).filter(|_| text.contains("Corrupt")) {
        let path = runtime.join(votes);
        DamageError::Votes { path, source }
    } else if text.starts_with("failed to initialize") {
        let shared = shared(runtime);
        DamageError::Journals { shared, source }
    } else {
        let folder = runtime.to_owned();
        DamageError::Part { folder, source }
    }
}

/// The folder of an epoch's own votes that a text names.
fn votes_named(text: &str) -> Option<&str> {
    let prefix = format!("{CONSENSUS}-simplex-");
    let begin = text.find(&prefix)?;
    let epoch = &text[begin + prefix.len()..];
    let digits = epoch.find(|c: char| !c.is_ascii_digit()).unwrap_or(epoch.len());
    Some(&text[begin..begin + prefix.len() + digits])
}

fn shared(runtime: &Path) -> SharedJournals {
    SharedJournals {
        folder: runtime.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The engine's own words, as it says them today: another release may say them otherwise, and this test notices.
    #[test]
    fn an_engine_that_cannot_open_its_journals_is_told_as_the_files_it_means() {
        let said = |text: &str| {
            let payload: Box<dyn Any + Send> = Box::new(text.to_owned());
            of_panic(Path::new("/node/runtime"), &*payload).to_string()
        };
        let votes = said(
            r#"unable to open journal: Runtime(BlobCorrupt("consensus-simplex-12", "00000000000000e2", "invalid header padding"))"#,
        );
        assert!(
            votes.starts_with("the votes in /node/runtime/consensus-simplex-12 are damaged"),
            "{votes}"
        );
        let journals = said("failed to initialize verified archive");
        assert!(
            journals
                .starts_with("/node/runtime/consensus-{blocks,finalizations,marshal}* cannot be used: move them away"),
            "{journals}"
        );
        let other = said("index out of bounds");
        assert!(other.contains("the disk of /node/runtime is full"), "{other}");
    }
}
