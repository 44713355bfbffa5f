//! A worker whose coordinator says anything in any order, while another member's updates are real.
#![no_main]

use aloft_fuzz::farm::{PARAMETERS, key, plan, worker};
use bytes::Bytes;
use commonware_codec::Encode;
use commonware_cryptography::Signer;
use primitives::{B256, Digest};
use training::round::{Close, FromCoordinator, MessageConfig, Refusal, SHARE_TOTAL, Welcome, state_hash};

/// Bytes of one act of the coordinator: which, and two values for it.
const ACT_BYTES: usize = 3;

/// Most acts of one run: beyond, nothing new happens.
const MAX_ACTS: usize = 64;

fn welcome(round: u32, value: u8) -> FromCoordinator {
    let mut plan = plan();
    plan.rounds = if value == 255 { u32::MAX } else { plan.rounds };
    FromCoordinator::Welcome(Welcome {
        plan,
        round: if value == 254 { u32::MAX - round } else { round },
        parameters: vec![f32::from(value); PARAMETERS],
    })
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let config = MessageConfig {
        parameter_count: PARAMETERS,
    };
    let (mut ours, mut other) = (worker(1), worker(2));
    let (our_key, other_key) = (key(1).public_key(), key(2).public_key());
    let mut others_updates: Vec<Bytes> = Vec::new();
    let (acts, rest) = input.split_at(input.len() / 2);
    let mut last = Bytes::new();
    for &[act, first, second] in acts.as_chunks::<ACT_BYTES>().0.iter().take(MAX_ACTS) {
        let round = u32::from(first % 8);
        let message = match act % 6 {
            0 => welcome(round, second),
            1 => {
                let _ = ours.train();
                continue;
            }
            2 => {
                let _ = other.receive(welcome(round, second).encode());
                others_updates.extend(other.train().ok().flatten().map(|trained| trained.update));
                continue;
            }
            3 => {
                let others_share = SHARE_TOTAL * u32::from(second % 5) / 4;
                let mut accepted = vec![
                    (our_key.clone(), SHARE_TOTAL - others_share),
                    (other_key.clone(), others_share),
                ];
                accepted.sort();
                if second & 8 == 0 {
                    accepted.retain(|(worker, _)| *worker != our_key);
                }
                if second & 16 == 0 {
                    accepted.retain(|(worker, _)| *worker != other_key);
                }
                let update = others_updates.get(usize::from(second >> 5)).or(others_updates.last());
                let state = if first & 128 == 0 {
                    state_hash(&[0.0; PARAMETERS])
                } else {
                    Digest(B256::ZERO)
                };
                FromCoordinator::Close(Close {
                    round,
                    accepted,
                    updates: update.filter(|_| second & 16 != 0).cloned().into_iter().collect(),
                    state,
                })
            }
            4 => FromCoordinator::Refused {
                round,
                reason: [
                    Refusal::Malformed,
                    Refusal::WrongRound,
                    Refusal::WrongBase,
                    Refusal::Duplicate,
                ][usize::from(second % 4)],
            },
            _ => {
                let _ = ours.finish();
                continue;
            }
        };
        last = message.encode();
        aloft_fuzz::decode::<FromCoordinator>(&last, &config).expect("a message of ours");
        let _ = ours.receive(last.clone());
    }
    // The messages as bytes: any, and the last one damaged.
    for bytes in aloft_fuzz::tries(&last, rest) {
        aloft_fuzz::decode::<FromCoordinator>(&bytes, &config);
        let _ = ours.receive(Bytes::from(bytes));
    }
    let _ = ours.train();
});
