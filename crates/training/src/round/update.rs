//! The update message `ALU1`: one worker's progress of one round, compressed and signed.

use super::RunId;
use crate::{
    compress::{CHUNK, Density, MAX_PARAMETERS, Sparse},
    learner::TrainSummary,
};
use bytes::Bytes;
use commonware_codec::{Buf, Decode, Encode, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use commonware_cryptography::{Signer as _, Verifier as _, ed25519};
use primitives::Digest;

const MAGIC: [u8; 4] = *b"ALU1";

/// The only codec so far: top-k places, two-bit values. Source: codec table of the wire format, docs/spec/training.md.
const CODEC_TOP_K_2_BIT: u8 = 4;

/// Keeps these signatures apart from every other use of the key.
const NAMESPACE: &[u8] = b"_ALOFT_TRAINING_UPDATE";

/// Bytes before the payload.
const HEAD_BYTES: usize = 4 + 32 + 4 + 32 + 32 + 1 + 8 + 2 + 2 + 4 + 8 + 4 + 4 + 32 + 32 + 8;

/// One worker's update of one round, as signed. Integers and floats are little endian:
///
/// `"ALU1" | run [32] | round u32 | worker [32] | base state [32] | codec u8 = 4 | parameters u64 | chunk u16 | k u16 |
/// local steps u32 | examples u64 | first loss f32 | last loss f32 | trace root [32] | layout [32] | payload bytes u64 |
/// payload | ed25519 signature of all before it [64]`
#[derive(Clone, Debug)]
pub struct Update {
    /// The run it belongs to.
    pub run: RunId,
    /// The round it is the progress of.
    pub round: u32,
    /// Who made it.
    pub worker: ed25519::PublicKey,
    /// Hash of the shared parameters that training started from.
    pub base: Digest,
    /// Local steps taken.
    pub local_steps: u32,
    /// What training reported.
    pub summary: TrainSummary,
    /// Root of the training trace; all zero: no trace was committed to.
    pub trace: Digest,
    /// Order and meaning of the parameters.
    pub layout: Digest,
    /// The progress itself.
    pub delta: Sparse,
    signature: ed25519::Signature,
}

/// What a reader of updates knows beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateConfig {
    /// Parameters of the model.
    pub parameter_count: usize,
    /// Share of them that an update carries.
    pub density: Density,
}

/// Why an update is not one of this run.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The bytes are no update of this model.
    #[error("decode an update")]
    Decode(#[from] Error),
    /// The worker named in it did not sign it.
    #[error("the update of round {round} is not signed by {worker}")]
    Signature {
        /// Round of the update.
        round: u32,
        /// Who it says it is from.
        worker: Box<ed25519::PublicKey>,
    },
}

impl Update {
    /// Signs an update; `worker` and `signature` are `key`'s.
    #[allow(clippy::too_many_arguments)] // The fields of the message, each of its own type.
    pub(super) fn sign(
        key: &ed25519::PrivateKey,
        run: RunId,
        round: u32,
        base: Digest,
        local_steps: u32,
        summary: TrainSummary,
        layout: Digest,
        delta: Sparse,
    ) -> Self {
        let mut update = Self {
            run,
            round,
            worker: key.public_key(),
            base,
            local_steps,
            summary,
            trace: Digest::from([0; 32]),
            layout,
            delta,
            signature: key.sign(NAMESPACE, &[]),
        };
        update.signature = key.sign(NAMESPACE, &update.signed_bytes());
        update
    }

    /// Reads an update and checks its signature.
    ///
    /// # Errors
    ///
    /// [`UpdateError`]: what the bytes lack.
    pub fn open(bytes: Bytes, config: &UpdateConfig) -> Result<Self, UpdateError> {
        let signed = bytes.slice(..bytes.len().saturating_sub(ed25519::Signature::SIZE));
        let update = Self::decode_cfg(bytes, config)?;
        if !update.worker.verify(NAMESPACE, &signed, &update.signature) {
            return Err(UpdateError::Signature {
                round: update.round,
                worker: Box::new(update.worker),
            });
        }
        Ok(update)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = self.encode().to_vec();
        bytes.truncate(bytes.len() - ed25519::Signature::SIZE);
        bytes
    }
}

/// Most bytes of an update of `config`: what a receiver's limit must admit.
pub fn update_bytes_max(config: &UpdateConfig) -> usize {
    let chunk_count = config.parameter_count.div_ceil(CHUNK);
    let sent = chunk_count * config.density.count(CHUNK);
    // An entry takes sign, level and a gap: Rice codes of places in a chunk spend at most one bit per 2^rice places skipped,
    // so the ones of a chunk number at most length >> rice, which is below 2.9 times its entries, and the low bits are 12 at most.
    HEAD_BYTES + ed25519::Signature::SIZE + chunk_count * 5 + sent * 18 / 8 + 16
}

impl EncodeSize for Update {
    fn encode_size(&self) -> usize {
        HEAD_BYTES + self.delta.encode_size() + ed25519::Signature::SIZE
    }
}

impl Write for Update {
    fn write(&self, buf: &mut impl bytes::BufMut) {
        let payload = self.delta.to_bytes();
        buf.put_slice(&MAGIC);
        self.run.write(buf);
        buf.put_u32_le(self.round);
        self.worker.write(buf);
        self.base.write(buf);
        buf.put_u8(CODEC_TOP_K_2_BIT);
        buf.put_u64_le(self.delta.length() as u64);
        buf.put_u16_le(CHUNK as u16);
        buf.put_u16_le(self.delta.density().k());
        buf.put_u32_le(self.local_steps);
        buf.put_u64_le(self.summary.examples);
        buf.put_f32_le(self.summary.first_loss);
        buf.put_f32_le(self.summary.last_loss);
        self.trace.write(buf);
        self.layout.write(buf);
        buf.put_u64_le(payload.len() as u64);
        buf.put_slice(&payload);
        self.signature.write(buf);
    }
}

impl Read for Update {
    type Cfg = UpdateConfig;

    fn read_cfg(buf: &mut impl Buf, config: &UpdateConfig) -> Result<Self, Error> {
        if buf.remaining() < HEAD_BYTES + ed25519::Signature::SIZE {
            return Err(Error::EndOfBuffer);
        }
        expect(<[u8; 4]>::read(buf)? == MAGIC, "not an update")?;
        let run = Digest::read(buf)?;
        let round = buf.get_u32_le();
        let worker = ed25519::PublicKey::read(buf)?;
        let base = Digest::read(buf)?;
        expect(buf.get_u8() == CODEC_TOP_K_2_BIT, "an unknown codec")?;
        expect(
            buf.get_u64_le() == config.parameter_count as u64,
            "another number of parameters",
        )?;
        expect(config.parameter_count <= MAX_PARAMETERS, "too many parameters")?;
        expect(usize::from(buf.get_u16_le()) == CHUNK, "another chunk length")?;
        expect(buf.get_u16_le() == config.density.k(), "another density")?;
        let local_steps = buf.get_u32_le();
        let examples = buf.get_u64_le();
        let (first_loss, last_loss) = (buf.get_f32_le(), buf.get_f32_le());
        expect(
            first_loss.is_finite() && last_loss.is_finite(),
            "a loss is not a finite number",
        )?;
        let trace = Digest::read(buf)?;
        let layout = Digest::read(buf)?;
        let payload_bytes = usize::try_from(buf.get_u64_le()).map_err(|_| Error::EndOfBuffer)?;
        if buf.remaining() < payload_bytes {
            return Err(Error::EndOfBuffer);
        }
        let payload = buf.copy_to_bytes(payload_bytes);
        let delta = Sparse::from_bytes(&payload, config.parameter_count, config.density)?;
        let signature = ed25519::Signature::read(buf)?;
        let summary = TrainSummary {
            first_loss,
            last_loss,
            examples,
        };
        Ok(Self {
            run,
            round,
            worker,
            base,
            local_steps,
            summary,
            trace,
            layout,
            delta,
            signature,
        })
    }
}

fn expect(holds: bool, otherwise: &'static str) -> Result<(), Error> {
    if holds {
        Ok(())
    } else {
        Err(Error::Invalid("training::Update", otherwise))
    }
}
