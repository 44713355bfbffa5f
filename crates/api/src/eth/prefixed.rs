//! Hexadecimal that must say so.

use serde::{Deserialize, Deserializer, de::Error as _};
use std::str::FromStr;

/// A value written in hexadecimal with the prefix `0x`, which alloy's own types let clients leave out and Ethereum's rules do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefixed<T>(pub(crate) T);

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Prefixed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if !text.starts_with("0x") {
            return Err(D::Error::custom("hex string without 0x prefix"));
        }
        text.parse().map(Self).map_err(D::Error::custom)
    }
}
