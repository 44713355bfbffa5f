//! Whether a blob is of the code, shown without any error term: code what was decoded again, and compare.
//!
//! The checks of each row leave a chance of 2^-116 that two readers decode different bytes (docs/spec/da.md, error terms). Whoever
//! wants none at all pays with coding: three times the payload in memory and a second a gigabyte.

use super::{RetrieveError, Retrieved};
use crate::{CodedBlob, VerifiedHead};

impl Retrieved {
    /// Codes the payload again and compares every digest that the blob's name covers: then any other reader who does so has the same
    /// bytes, or none, whatever its disperser and operators did.
    ///
    /// # Errors
    ///
    /// [`RetrieveError::NotCoded`].
    pub fn check_code(&self) -> Result<(), RetrieveError> {
        check_code(&self.head, self.coded())
    }
}

/// Whether `coded`, a payload as coded, codes to the blob of `head`.
pub(crate) fn check_code(head: &VerifiedHead, coded: &[u8]) -> Result<(), RetrieveError> {
    let mut data = Vec::with_capacity(head.shape().data_rows() as usize * head.row_bytes() as usize);
    data.extend_from_slice(coded);
    data.resize(data.capacity(), 0);
    let again = CodedBlob::of_data_rows(head.header().params.clone(), data);
    if again.head().header() != head.header() {
        return Err(RetrieveError::NotCoded { root: head.root() });
    }
    Ok(())
}
