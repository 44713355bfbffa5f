//! Epochs: the spans of time for which a committee is fixed.

use commonware_codec::{Error, FixedSize, Read, ReadExt, Write};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Number of an epoch: committees, keys and assignments are fixed for its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Write for Epoch {
    fn write(&self, buf: &mut impl bytes::BufMut) {
        self.0.write(buf);
    }
}

impl Read for Epoch {
    type Cfg = ();

    fn read_cfg(buf: &mut impl commonware_codec::Buf, (): &()) -> Result<Self, Error> {
        Ok(Self(u64::read(buf)?))
    }
}

impl FixedSize for Epoch {
    const SIZE: usize = 8;
}
