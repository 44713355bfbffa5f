//! The messages of `proto/disperser.proto` and `proto/retriever.proto`, by hand: nothing has to be installed or generated to build
//! them, and a test reads the files and compares.

use prost::{Enumeration, Message};

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum BlobStatus {
    /// Never answered.
    Unknown = 0,
    /// Being coded, sent to the operators, or recorded on chain.
    Processing = 1,
    /// On chain and not final: never answered here, where a block that is seen is final.
    Confirmed = 2,
    /// Will not be published.
    Failed = 3,
    /// Its certificate is in a final block.
    Finalized = 4,
    /// Operators owning two thirds of its rows did not sign.
    InsufficientSignatures = 5,
}

/// What to publish.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DisperseBlobRequest {
    /// 1 to [`PAYLOAD_BYTES_MAX`](crate::blobs::PAYLOAD_BYTES_MAX) bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
}

/// The request was taken.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DisperseBlobReply {
    /// [`BlobStatus::Processing`].
    #[prost(enumeration = "BlobStatus", tag = "1")]
    pub result: i32,
    /// 120 bytes that any node of the network answers for.
    #[prost(bytes = "vec", tag = "2")]
    pub request_id: Vec<u8>,
}

/// Which request.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BlobStatusRequest {
    /// As it was answered.
    #[prost(bytes = "vec", tag = "1")]
    pub request_id: Vec<u8>,
}

/// How far it is.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BlobStatusReply {
    /// A [`BlobStatus`].
    #[prost(enumeration = "BlobStatus", tag = "1")]
    pub status: i32,
    /// How to retrieve it, once it is finalized.
    #[prost(message, optional, tag = "2")]
    pub info: Option<BlobInfo>,
}

/// Which blob, of the disperser.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RetrieveBlobRequest {
    /// Its root, 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub storage_root: Vec<u8>,
    /// Its epoch.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// 0 for all of it, or one more than an item's number.
    #[prost(uint64, tag = "3")]
    pub quorum_id: u64,
}

/// The blob.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RetrieveBlobReply {
    /// Its payload.
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
}

/// What the chain says of a blob.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BlobInfo {
    /// Its name.
    #[prost(message, optional, tag = "1")]
    pub blob_header: Option<BlobHeader>,
}

/// A blob's name.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BlobHeader {
    /// Its root, 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub storage_root: Vec<u8>,
    /// Its epoch.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// 0, or one more than the number of the payload's item in a blob that it shares. A root is found by itself, so that the
    /// field, which clients hand back as it came, is free to say it.
    #[prost(uint64, tag = "3")]
    pub quorum_id: u64,
}

/// The retriever's messages have the disperser's bytes under other names.
pub type BlobRequest = RetrieveBlobRequest;
/// See [`BlobRequest`].
pub type BlobReply = RetrieveBlobReply;
