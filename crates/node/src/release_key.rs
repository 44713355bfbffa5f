//! A node's share of the key that releases others: dealt with the network, in a file of its own.
//!
//! It is not derived from the node's seed, because a dealer made it: who has the seed cannot make it again, and who has the share cannot
//! sign for rows or blocks. The file holds `member (2, big endian) | share (32, big endian)` in hexadecimal.

use crate::keys::KeyFileError;
use crypto::threshold::{Committee, CommitteeError, DealtThresholdKeys, SecretShare};
use primitives::hex;
use rand::{TryRng, rngs::SysRng};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use zeroize::Zeroizing;

/// Bytes in the file before they are written as digits.
const SHARE_FILE_BYTES: usize = 2 + 32;

/// Why no keys were dealt.
#[derive(Debug, thiserror::Error)]
pub enum DealError {
    /// The system gave no randomness.
    #[error("the system gave no randomness for the release committee")]
    Randomness,
    /// There cannot be so many members.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// A member's file.
    #[error(transparent)]
    File(#[from] KeyFileError),
}

/// Shares that release a key among so many members: all but those of whom a network bears that they lie or are away, `⌊(n - 1) / 3⌋`.
///
/// So a third that is away stops no release, and two thirds less one that collude release nothing. Source: the same threshold as that of the
/// engine's distributed key generation, so that a network can change from one to the other.
pub fn threshold(members: u16) -> u16 {
    members - members.saturating_sub(1) / 3
}

/// Deals a committee's keys, one share to each of `files`; what the dealer knew is wiped when this returns.
///
/// For a network of one owner, who could read everything while it deals: the name of the contract that keeps the public half says so.
///
/// # Errors
///
/// [`DealError`], also when a file is there already: a share is never replaced.
pub fn deal<P: AsRef<Path>>(files: &[P]) -> Result<Committee, DealError> {
    let mut seed = Zeroizing::new([0; 32]);
    SysRng.try_fill_bytes(&mut *seed).map_err(|_| DealError::Randomness)?;
    let members = u16::try_from(files.len()).unwrap_or(u16::MAX);
    let dealt = DealtThresholdKeys::deal(&mut ChaCha20Rng::from_seed(*seed), threshold(members), members)?;
    for (path, share) in files.iter().zip(&dealt.shares) {
        write(path.as_ref(), share)?;
    }
    Ok(dealt.committee)
}

/// Writes a share to `path`, readable by its owner only; refuses to replace a file.
fn write(path: &Path, share: &SecretShare) -> Result<(), KeyFileError> {
    let failed = |source| KeyFileError::File {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Zeroizing::new([0; SHARE_FILE_BYTES]);
    bytes[..2].copy_from_slice(&share.member().to_be_bytes());
    bytes[2..].copy_from_slice(&share.to_bytes()[..]);
    let digits = Zeroizing::new(hex::encode(*bytes));
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(digits.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

/// Reads the share that [`deal`] wrote.
///
/// # Errors
///
/// [`KeyFileError`] when the file cannot be read or holds no share.
pub fn open(path: &Path) -> Result<SecretShare, KeyFileError> {
    let text = fs::read_to_string(path).map_err(|source| KeyFileError::File {
        path: path.to_owned(),
        source,
    })?;
    let text = Zeroizing::new(text);
    let malformed = || KeyFileError::NoShare { path: path.to_owned() };
    let mut bytes = Zeroizing::new([0; SHARE_FILE_BYTES]);
    hex::decode_to_slice(text.trim(), &mut bytes[..]).map_err(|_| malformed())?;
    let (member, share) = bytes.split_first_chunk().expect("two bytes and more");
    let share: &[u8; 32] = share.try_into().expect("the other 32");
    SecretShare::from_bytes(u16::from_be_bytes(*member), share).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn each_member_reads_back_the_share_it_was_dealt_and_nobody_else_may() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<_> = (0..4).map(|node| folder.path().join(format!("share-{node}"))).collect();
        let committee = deal(&files).unwrap();
        assert_eq!((committee.threshold(), committee.members().len()), (3, 4));
        for (member, path) in (0..).zip(&files) {
            let share = open(path).unwrap();
            assert_eq!(share.member(), member);
            assert_eq!(share.public(), committee.members()[usize::from(member)]);
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(deal(&files).is_err(), "a share is never replaced");
    }

    #[test]
    fn a_share_file_with_anything_else_in_it_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("release-share");
        for text in ["", "no share", &"00".repeat(34), &"ff".repeat(34), &"01".repeat(35)] {
            fs::write(&path, text).unwrap();
            let error = open(&path).err().unwrap().to_string();
            assert!(error.contains("release-share holds no release share"), "{error}");
        }
    }

    #[test]
    fn a_third_that_is_away_stops_no_release() {
        for (members, needed) in [(1, 1), (2, 2), (3, 3), (4, 3), (7, 5), (16, 11), (100, 67)] {
            assert_eq!(threshold(members), needed, "{members} members");
        }
    }
}
