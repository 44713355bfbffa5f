//! What a coordinator says to a worker. A worker says one thing only: an [`Update`](super::Update).

use super::{MAX_WORKERS, Plan, UpdateConfig, update_bytes_max};
use crate::compress::{CHUNK, Decay, Density};
use bytes::Bytes;
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use commonware_cryptography::ed25519;
use primitives::Digest;

/// A message from the coordinator: a tag byte, then the message.
#[derive(Clone, Debug, PartialEq)]
pub enum FromCoordinator {
    /// Tag 0: you are in; here is the state.
    Welcome(Welcome),
    /// Tag 1: a round is closed; here is what was accepted.
    Close(Close),
    /// Tag 2: your update of `round` was not accepted: `round u32 | reason u8`.
    Refused {
        /// Round of the update.
        round: u32,
        /// Why.
        reason: Refusal,
    },
}

/// The state of the run, for a worker that begins, comes late, or has lost it.
///
/// `run [32] | layout [32] | rounds u32 | local steps u32 | k u16 | decay u16 | round u32 | parameters u32 | parameters f32 each`
#[derive(Clone, Debug, PartialEq)]
pub struct Welcome {
    /// The plan of the run.
    pub plan: Plan,
    /// First round to train.
    pub round: u32,
    /// The shared parameters at [`version_for`](super::version_for)`(round)`.
    pub parameters: Vec<f32>,
}

/// A round and what was accepted in it.
///
/// `round u32 | accepted u16 | accepted × (worker [32] | share u32) | updates u16 | updates × (bytes u32 | update) | state [32]`
#[derive(Clone, Debug, PartialEq)]
pub struct Close {
    /// The round.
    pub round: u32,
    /// Whose updates count, and with what share, by ascending worker key; the shares add up to 2^16.
    pub accepted: Vec<(ed25519::PublicKey, u32)>,
    /// Their updates, signed, in the same order, the receiver's own left out.
    pub updates: Vec<Bytes>,
    /// Hash of the shared parameters once these are merged.
    pub state: Digest,
}

/// Why an update is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Refusal {
    /// The bytes are no update of this run, signed by this worker.
    Malformed = 0,
    /// Its round is closed, or not yet open.
    WrongRound = 1,
    /// Training started from other parameters than the shared ones; a [`Welcome`] follows.
    WrongBase = 2,
    /// There is one already.
    Duplicate = 3,
}

/// What a reader of messages knows beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageConfig {
    /// Parameters of the model.
    pub parameter_count: usize,
}

impl MessageConfig {
    /// Most bytes of a message to or from a worker, in a run of `worker_count` workers.
    pub fn message_bytes_max(&self, worker_count: usize, density: Density) -> usize {
        let update = update_bytes_max(&UpdateConfig {
            parameter_count: self.parameter_count,
            density,
        });
        let close = 4 + 2 + 36 * worker_count + 2 + (4 + update) * worker_count + 32;
        let welcome = 84 + 4 + 4 * self.parameter_count;
        1 + close.max(welcome).max(update)
    }
}

impl Write for FromCoordinator {
    fn write(&self, buf: &mut impl bytes::BufMut) {
        match self {
            Self::Welcome(Welcome {
                plan,
                round,
                parameters,
            }) => {
                buf.put_u8(0);
                plan.run.write(buf);
                plan.layout.write(buf);
                buf.put_u32_le(plan.rounds);
                buf.put_u32_le(plan.local_steps);
                buf.put_u16_le(plan.density.k());
                buf.put_u16_le(plan.decay.thousandths());
                buf.put_u32_le(*round);
                buf.put_u32_le(parameters.len() as u32);
                for parameter in parameters {
                    buf.put_f32_le(*parameter);
                }
            }
            Self::Close(Close {
                round,
                accepted,
                updates,
                state,
            }) => {
                buf.put_u8(1);
                buf.put_u32_le(*round);
                buf.put_u16_le(accepted.len() as u16);
                for (worker, share) in accepted {
                    worker.write(buf);
                    buf.put_u32_le(*share);
                }
                buf.put_u16_le(updates.len() as u16);
                for update in updates {
                    buf.put_u32_le(update.len() as u32);
                    buf.put_slice(update);
                }
                state.write(buf);
            }
            Self::Refused { round, reason } => {
                buf.put_u8(2);
                buf.put_u32_le(*round);
                buf.put_u8(*reason as u8);
            }
        }
    }
}

impl EncodeSize for FromCoordinator {
    fn encode_size(&self) -> usize {
        1 + match self {
            Self::Welcome(welcome) => 32 + 32 + 4 + 4 + 2 + 2 + 4 + 4 + 4 * welcome.parameters.len(),
            Self::Close(close) => {
                let updates: usize = close.updates.iter().map(|update| 4 + update.len()).sum();
                4 + 2 + close.accepted.len() * (ed25519::PublicKey::SIZE + 4) + 2 + updates + 32
            }
            Self::Refused { .. } => 4 + 1,
        }
    }
}

impl Read for FromCoordinator {
    type Cfg = MessageConfig;

    fn read_cfg(buf: &mut impl Buf, config: &MessageConfig) -> Result<Self, Error> {
        match u8::read(buf)? {
            0 => read_welcome(buf, config).map(Self::Welcome),
            1 => read_close(buf, config).map(Self::Close),
            2 => {
                let round = read_u32(buf)?;
                let reason = match u8::read(buf)? {
                    0 => Refusal::Malformed,
                    1 => Refusal::WrongRound,
                    2 => Refusal::WrongBase,
                    3 => Refusal::Duplicate,
                    other => return Err(Error::InvalidEnum(other)),
                };
                Ok(Self::Refused { round, reason })
            }
            other => Err(Error::InvalidEnum(other)),
        }
    }
}

fn read_welcome(buf: &mut impl Buf, config: &MessageConfig) -> Result<Welcome, Error> {
    const INVALID: &str = "training::Welcome";
    let (run, layout) = (Digest::read(buf)?, Digest::read(buf)?);
    let (rounds, local_steps) = (read_u32(buf)?, read_u32(buf)?);
    if rounds == 0 || local_steps == 0 {
        return Err(Error::Invalid(INVALID, "a plan without rounds or steps"));
    }
    let density = Density::new(read_u16(buf)?).ok_or(Error::Invalid(INVALID, "a density that is none"))?;
    let decay = Decay::new(read_u16(buf)?).ok_or(Error::Invalid(INVALID, "a decay above one"))?;
    let round = read_u32(buf)?;
    if read_u32(buf)? as usize != config.parameter_count {
        return Err(Error::Invalid(INVALID, "another number of parameters"));
    }
    if buf.remaining() < 4 * config.parameter_count {
        return Err(Error::EndOfBuffer);
    }
    let parameters: Vec<f32> = (0..config.parameter_count).map(|_| buf.get_f32_le()).collect();
    if parameters.iter().any(|parameter| !parameter.is_finite()) {
        return Err(Error::Invalid(INVALID, "a parameter is not a finite number"));
    }
    Ok(Welcome {
        plan: Plan {
            run,
            layout,
            rounds,
            local_steps,
            density,
            decay,
        },
        round,
        parameters,
    })
}

fn read_close(buf: &mut impl Buf, config: &MessageConfig) -> Result<Close, Error> {
    const INVALID: &str = "training::Close";
    let round = read_u32(buf)?;
    let count = usize::from(read_u16(buf)?);
    if count > MAX_WORKERS {
        return Err(Error::InvalidLength(count));
    }
    let accepted = (0..count).map(|_| Ok((ed25519::PublicKey::read(buf)?, read_u32(buf)?)));
    let accepted = accepted.collect::<Result<Vec<_>, Error>>()?;
    if !accepted.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(Error::Invalid(INVALID, "workers are not in order"));
    }
    let update_count = usize::from(read_u16(buf)?);
    if update_count > count {
        return Err(Error::InvalidLength(update_count));
    }
    let dense = Density::new(CHUNK as u16).expect("all of a chunk is a density");
    let bytes_max = update_bytes_max(&UpdateConfig {
        parameter_count: config.parameter_count,
        density: dense,
    });
    let read_update = |_| {
        let length = read_u32(buf)? as usize;
        if length > bytes_max {
            return Err(Error::InvalidLength(length));
        }
        if buf.remaining() < length {
            return Err(Error::EndOfBuffer);
        }
        Ok(buf.copy_to_bytes(length))
    };
    let updates = (0..update_count).map(read_update).collect::<Result<_, _>>()?;
    Ok(Close {
        round,
        accepted,
        updates,
        state: Digest::read(buf)?,
    })
}

fn read_u32(buf: &mut impl Buf) -> Result<u32, Error> {
    Ok(u32::from_le_bytes(<[u8; 4]>::read(buf)?))
}

fn read_u16(buf: &mut impl Buf) -> Result<u16, Error> {
    Ok(u16::from_le_bytes(<[u8; 2]>::read(buf)?))
}
