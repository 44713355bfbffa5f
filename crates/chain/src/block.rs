//! What validators vote on: an Ethereum block, and the place in the vote for which it was made.
//!
//! ```text
//! round (epoch varint, view varint) | leader (32, ed25519) | parent view (varint) | parent digest (32)
//! header length (varint) | header (RLP)
//! what the block says of the randomness beacon ([`crate::beacon::news`])
//! transaction count (varint) | count times: length (varint) | transaction (EIP-2718)
//! ```
//!
//! The encoding is canonical: a decoder accepts exactly the bytes that the encoder writes. A block's digest, which certificates
//! sign, is `SHA-256(first line ‖ SHA-256(header) ‖ SHA-256(all after the header))`, so that a header can be shown to be of a digest
//! without the transactions ([`Summary`]); wallets and contracts know the block by its header's Ethereum hash. See docs/spec/chain.md.

mod summary;
#[cfg(test)]
mod tests;

pub use summary::Summary;

use crate::{
    beacon::news::{self, MAX_NEWS_BYTES},
    keys::Identity,
};
use alloy_consensus::{BlockBody, Header, TxEnvelope};
use alloy_eips::eip2718::{Decodable2718 as _, Encodable2718 as _};
use alloy_primitives::B256;
use alloy_rlp::{Decodable as _, Encodable as _};
use bytes::BufMut;
use commonware_codec::{
    Buf, EncodeSize, Error as CodecError, MaxEncodeSize as _, Read, ReadExt as _, Write, varint::UInt,
};
use commonware_consensus::{
    BoundedBlock, CertifiableBlock, Heightable, simplex,
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::{Digestible, Hasher as _, Sha256, sha256};
use evm::BeaconNews;

/// Name of a consensus block: a SHA-256 that covers all of its canonical bytes.
pub type BlockDigest = sha256::Digest;
/// The place in the vote for which a block was made: round, leader, and the digest of its parent.
pub type Context = simplex::types::Context<BlockDigest, Identity>;
/// Header and body as Ethereum knows them.
pub type EthereumBlock = alloy_consensus::Block<TxEnvelope>;

/// Most bytes of an encoded block. 36 million gas of plain transfers are 192 KiB; of zero call data, 3.6 MB.
pub const MAX_BLOCK_BYTES: usize = 4 << 20;
/// Most bytes of one encoded transaction, as in Ethereum's clients.
pub const MAX_TRANSACTION_BYTES: usize = 128 << 10;
/// Most bytes of an encoded header: the fields of the Prague fork with their widest values take under 800.
const MAX_HEADER_BYTES: usize = 1024;
/// Bytes of a block that are not its transactions, at most: context, header, news of the beacon, count.
const OVERHEAD_BYTES: usize = Context::MAX_ENCODE_SIZE + MAX_HEADER_BYTES + MAX_NEWS_BYTES + 10;
/// Most bytes the transactions of a block may take, each with [`TRANSACTION_OVERHEAD_BYTES`].
pub const MAX_BODY_BYTES: usize = MAX_BLOCK_BYTES - OVERHEAD_BYTES;
/// Bytes of a transaction's length prefix, at most.
pub const TRANSACTION_OVERHEAD_BYTES: usize = 5;

/// An Ethereum block with the place in the vote for which it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    context: Context,
    hash: B256,
    ethereum: EthereumBlock,
    beacon: BeaconNews,
}

impl Block {
    /// The block that `header` and `transactions` make at `context`, which says nothing of the beacon.
    ///
    /// The transactions' encoded bytes must fit in [`MAX_BODY_BYTES`], which [`crate::Ledger::propose`] sees to.
    pub fn new(context: Context, header: Header, transactions: Vec<TxEnvelope>) -> Self {
        // Every Aloft block carries an empty withdrawal list if its fork has one: validators are paid by contracts.
        let withdrawals = header.withdrawals_root.map(|_| Default::default());
        let hash = header.hash_slow();
        let body = BlockBody {
            transactions,
            ommers: Vec::new(),
            withdrawals,
        };
        Self {
            context,
            hash,
            ethereum: EthereumBlock::new(header, body),
            beacon: BeaconNews::default(),
        }
    }

    /// The same block with what it says of the randomness beacon.
    pub fn with_beacon(self, beacon: BeaconNews) -> Self {
        Self { beacon, ..self }
    }

    /// The block at height zero, which nobody proposed: round zero, led by the committee's first member.
    pub fn genesis(header: Header, first: Identity) -> Self {
        let parent = (View::zero(), sha256::Digest([0; 32]));
        Self::new(
            Context {
                round: Round::new(Epoch::zero(), View::zero()),
                leader: first,
                parent,
            },
            header,
            Vec::new(),
        )
    }

    /// The Ethereum hash of the header.
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// The Ethereum header.
    pub fn header(&self) -> &Header {
        &self.ethereum.header
    }

    /// What it says of the randomness beacon.
    pub fn beacon(&self) -> &BeaconNews {
        &self.beacon
    }

    /// Header and body.
    pub fn ethereum(&self) -> &EthereumBlock {
        &self.ethereum
    }

    /// All of the block that its digest is made of but for what follows the header, of which it has the hash.
    pub fn summary(&self) -> Summary {
        let mut rest = Vec::with_capacity(self.rest_size());
        self.write_rest(&mut rest);
        Summary {
            context: self.context.clone(),
            header: self.ethereum.header.clone(),
            rest: Sha256::hash(&[&rest]),
        }
    }

    /// Everything after the header.
    fn write_rest(&self, buf: &mut impl BufMut) {
        news::write(&self.beacon, buf);
        write_length(self.ethereum.body.transactions.len(), buf);
        for transaction in &self.ethereum.body.transactions {
            let bytes = transaction.encoded_2718();
            write_length(bytes.len(), buf);
            buf.put_slice(&bytes);
        }
    }

    /// Bytes of [`Self::write_rest`].
    fn rest_size(&self) -> usize {
        let transactions = &self.ethereum.body.transactions;
        news::size(&self.beacon)
            + UInt(length_u32(transactions.len())).encode_size()
            + transactions
                .iter()
                .map(|transaction| sized(transaction.encode_2718_len()))
                .sum::<usize>()
    }
}

/// Bytes of something with its length before it.
fn sized(length: usize) -> usize {
    UInt(length_u32(length)).encode_size() + length
}

/// A header field's bytes without a copy of the header's encoder state.
fn header_bytes(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(header.length());
    header.encode(&mut bytes);
    bytes
}

/// A length that a decoder accepts up to `max`.
fn read_length(buf: &mut impl Buf, max: usize) -> Result<usize, CodecError> {
    let length = u32::from(UInt::<u32>::read(buf)?) as usize;
    if length > max {
        return Err(CodecError::InvalidLength(length));
    }
    if buf.remaining() < length {
        return Err(CodecError::EndOfBuffer);
    }
    Ok(length)
}

fn write_length(length: usize, buf: &mut impl BufMut) {
    UInt(length_u32(length)).write(buf);
}

fn length_u32(length: usize) -> u32 {
    u32::try_from(length).expect("lengths of a block are at most MAX_BLOCK_BYTES")
}

impl Write for Block {
    fn write(&self, buf: &mut impl BufMut) {
        self.context.write(buf);
        write_header(&self.ethereum.header, buf);
        self.write_rest(buf);
    }
}

fn write_header(header: &Header, buf: &mut impl BufMut) {
    let header = header_bytes(header);
    write_length(header.len(), buf);
    buf.put_slice(&header);
}

impl EncodeSize for Block {
    fn encode_size(&self) -> usize {
        self.context.encode_size() + sized(self.ethereum.header.length()) + self.rest_size()
    }
}

impl Read for Block {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        let context = Context::read(buf)?;
        let header = read_header(buf)?;
        let beacon = news::read(buf)?;
        // Each transaction takes at least its length byte, so that the count cannot reserve more than the buffer holds.
        let count = read_length(buf, MAX_BODY_BYTES)?;
        let mut transactions = Vec::with_capacity(count.min(buf.remaining() / MIN_TRANSACTION_BYTES + 1));
        let mut body_bytes = 0;
        for _ in 0..count {
            let length = read_length(buf, MAX_TRANSACTION_BYTES)?;
            body_bytes += length + TRANSACTION_OVERHEAD_BYTES;
            if body_bytes > MAX_BODY_BYTES {
                return Err(CodecError::InvalidLength(body_bytes));
            }
            transactions.push(read_transaction(&buf.copy_to_bytes(length))?);
        }
        Ok(Self::new(context, header, transactions).with_beacon(beacon))
    }
}

/// A transaction's signature alone takes this much, give or take leading zeros; only sizes a first reservation.
const MIN_TRANSACTION_BYTES: usize = 64;

/// A header with its length before it.
fn read_header(buf: &mut impl Buf) -> Result<Header, CodecError> {
    let length = read_length(buf, MAX_HEADER_BYTES)?;
    let bytes = buf.copy_to_bytes(length);
    let header = Header::decode(&mut &bytes[..]).map_err(|source| CodecError::Wrapped("header", Box::new(source)))?;
    if header_bytes(&header) != bytes {
        return Err(CodecError::Invalid("header", "not its canonical bytes"));
    }
    Ok(header)
}

/// Reads one EIP-2718 transaction as blocks and gossip carry it: canonical, and not of a kind that refers to blobs.
pub(crate) fn read_transaction(bytes: &[u8]) -> Result<TxEnvelope, CodecError> {
    let transaction =
        TxEnvelope::decode_2718_exact(bytes).map_err(|source| CodecError::Wrapped("transaction", Box::new(source)))?;
    if transaction.is_eip4844() {
        return Err(CodecError::Invalid(
            "transaction",
            "blobs are not carried by this chain",
        ));
    }
    if transaction.encoded_2718() != bytes {
        return Err(CodecError::Invalid("transaction", "not its canonical bytes"));
    }
    Ok(transaction)
}

impl Digestible for Block {
    type Digest = BlockDigest;

    fn digest(&self) -> BlockDigest {
        self.summary().digest()
    }
}

impl Heightable for Block {
    fn height(&self) -> Height {
        Height::new(self.ethereum.header.number)
    }
}

impl commonware_consensus::Block for Block {
    fn parent(&self) -> BlockDigest {
        self.context.parent.1
    }
}

impl CertifiableBlock for Block {
    type Context = Context;

    fn context(&self) -> Context {
        self.context.clone()
    }
}

impl BoundedBlock for Block {
    fn max_encode_size((): &()) -> usize {
        MAX_BLOCK_BYTES
    }
}
