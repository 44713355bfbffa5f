//! Errors as people read them.

use std::{error::Error, fmt};

/// An error and all that caused it, on one line: `put 7 wei in escrow: the node does not answer: connection refused`.
///
/// Errors of this workspace name the operation that failed and keep its cause as `source`, out of their own text. Where an error ends (a log, an
/// answer, a terminal), this puts them together again.
#[derive(Clone, Copy, Debug)]
pub struct Causes<'a>(pub &'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("read row {row}")]
    struct Outer {
        row: u32,
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("read the disk")]
    struct Inner(#[source] std::io::Error);

    #[test]
    fn an_error_is_told_with_all_its_causes_and_one_without_any_alone() {
        let error = Outer {
            row: 7,
            source: Inner(std::io::Error::other("it is gone")),
        };
        assert_eq!(Causes(&error).to_string(), "read row 7: read the disk: it is gone");
        assert_eq!(Causes(&std::fmt::Error).to_string(), std::fmt::Error.to_string());
    }
}
