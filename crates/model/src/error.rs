//! What can go wrong with a network.

use crate::Isa;

/// A network, its data or its file is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The CPU lacks an instruction set that was asked for by name.
    #[error("this CPU has no {isa:?} instructions")]
    MissingInstructions {
        /// What was asked for.
        isa: Isa,
    },
    /// A configuration names a network we do not run.
    #[error("{field} is {value}, which is not within {min}..={max}")]
    Configuration {
        /// The field's name.
        field: &'static str,
        /// What it holds.
        value: u64,
        /// The least it may hold.
        min: u64,
        /// The most it may hold.
        max: u64,
    },
    /// A width that must be shared evenly between heads is not.
    #[error("width {width} does not divide into {heads} heads of an even width")]
    Heads {
        /// Numbers of a position.
        width: u32,
        /// Attention heads.
        heads: u32,
    },
    /// A slice has another length than its use demands.
    #[error("{what} has {actual} values, not {expected}")]
    Length {
        /// What the slice is.
        what: &'static str,
        /// Its length.
        actual: usize,
        /// The length it should have, or should be a multiple of.
        expected: usize,
    },
    /// Examples of one kind were given to a network of another.
    #[error("the network takes {expected}, not {actual}")]
    Examples {
        /// What the network takes.
        expected: &'static str,
        /// What it was given.
        actual: &'static str,
    },
    /// An example that does not exist was asked for.
    #[error("example {index} does not exist: there are {count}")]
    NoSuchExample {
        /// Which was asked for.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// A number that must be finite is not, or a scale is not positive.
    #[error("{what} holds {value} at {index}")]
    Value {
        /// What holds the number.
        what: &'static str,
        /// Where.
        index: usize,
        /// The number.
        value: f32,
    },
    /// Training left the finite numbers; the parameters are as they were before the step.
    #[error("training diverged: the loss is {loss}")]
    Diverged {
        /// The loss of the step that was refused.
        loss: f32,
    },
    /// A file is longer than any network's.
    #[error("{part} of {actual} bytes is over the limit of {max}")]
    TooLarge {
        /// The part of the file.
        part: &'static str,
        /// Its length in bytes.
        actual: u64,
        /// The limit in bytes.
        max: u64,
    },
    /// A file ends early, or does not end where its header says.
    #[error("the file has {actual} bytes where its header needs {expected}")]
    Truncated {
        /// Bytes in the file.
        actual: u64,
        /// Bytes needed.
        expected: u64,
    },
    /// A file's header or configuration is not the JSON it should be.
    #[error("read the {part} of a network's file")]
    Json {
        /// The part of the file.
        part: &'static str,
        /// Why it cannot be read.
        source: serde_json::Error,
    },
    /// A file's metadata lacks an entry or has one we do not know.
    #[error("the file's metadata says {key} is {value:?}")]
    Metadata {
        /// The entry.
        key: &'static str,
        /// What it holds, if anything.
        value: Option<String>,
    },
    /// A file's tensor is missing or not the one its configuration needs.
    #[error("tensor {name} is missing or has another type, shape or place than its network needs")]
    Tensor {
        /// The tensor's name.
        name: String,
    },
}
