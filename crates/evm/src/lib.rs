//! Execute a block: state in, state and receipts out.
