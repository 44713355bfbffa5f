//! 32-byte names of content: BLAKE3 digests, and the root that names a blob.

use alloy_primitives::{B256, hex};
use commonware_codec::{Error, FixedSize, Read, ReadExt, Write};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Declares a 32-byte name: one macro because the two words below must never be mixed up, yet behave alike.
macro_rules! name32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub B256);

        impl $name {
            /// The 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0.0
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(B256::new(bytes))
            }
        }

        impl From<blake3::Hash> for $name {
            fn from(hash: blake3::Hash) -> Self {
                Self::from(*hash.as_bytes())
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.0.as_slice()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "0x{}", hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = hex::FromHexError;

            /// Reads 64 hexadecimal digits, with or without `0x`.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes)?;
                Ok(Self::from(bytes))
            }
        }

        impl Write for $name {
            fn write(&self, buf: &mut impl bytes::BufMut) {
                self.0.0.write(buf);
            }
        }

        impl Read for $name {
            type Cfg = ();

            fn read_cfg(buf: &mut impl commonware_codec::Buf, (): &()) -> Result<Self, Error> {
                Ok(Self::from(<[u8; 32]>::read(buf)?))
            }
        }

        impl FixedSize for $name {
            const SIZE: usize = 32;
        }
    };
}

name32! {
    /// BLAKE3 digest of some bytes.
    Digest
}

name32! {
    /// Name of a blob: the BLAKE3 digest of its header, hence of everything the header commits to. See docs/spec/da.md.
    BlobRoot
}

impl Digest {
    /// BLAKE3 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        blake3::hash(bytes).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a user copies from one command and pastes into the next must survive the trip.
    #[test]
    fn a_root_reads_back_from_the_text_it_prints() {
        let root = BlobRoot::from([0xab; 32]);
        assert_eq!(root.to_string().parse::<BlobRoot>().unwrap(), root);
        assert_eq!(
            root.to_string().trim_start_matches("0x").parse::<BlobRoot>().unwrap(),
            root
        );
        assert!("0x1234".parse::<BlobRoot>().is_err());
    }
}
