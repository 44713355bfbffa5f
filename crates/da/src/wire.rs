//! What two ends of a stream say to each other, and the encrypted stream they say it over.
//!
//! A stream is a TCP connection upgraded by the engine's SAKE handshake (both ends prove an ed25519 key, an operator the one
//! in the registry, a reader any) to CUPS records (AES-256-GCM, [`cipher`]). Each record is one message of at most
//! [`MAX_MESSAGE_BYTES`]; its length is authenticated before memory is set aside for it.
//!
//! Backpressure is TCP's: an operator reads the next message when the last one is on its disk.

mod cipher;
mod connection;
mod message;
mod streams;
#[cfg(test)]
mod tests;

pub(crate) use connection::within;
pub use connection::{Connection, Receiver, Sender, WireError, accept, ask_status, dial};
pub use message::{MAX_ROWS_PER_READ, Refusal, Request, Response, Rows, Status, rows_per_message};
pub use streams::{IDLE_MAX, Streams, WAITING_MAX};

/// Largest message, in bytes: a few of the largest rows. Small, because an end holds one for each of its streams.
pub const MAX_MESSAGE_BYTES: u32 = 512 * 1024;
const _: () = assert!(
    MAX_MESSAGE_BYTES as usize > 64 + crate::head::MAX_HEAD_BYTES
        && MAX_MESSAGE_BYTES as usize > 64 + crate::Row::OVERHEAD_BYTES + crate::shape::MAX_ROW_BYTES as usize,
    "a head and the largest row fit in a message"
);
