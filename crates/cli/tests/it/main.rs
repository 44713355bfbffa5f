//! The binary and the workspace from outside.

mod help;
mod tidy;
mod usage;

use std::path::{Path, PathBuf};

/// The checkout.
fn workspace_root() -> PathBuf {
    Path::new("../..")
        .canonicalize()
        .expect("this test runs inside the workspace")
}
