//! The `aloft` binary.
fn main() {}
