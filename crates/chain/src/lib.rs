//! Agree on blocks: mempool, proposal, finality.
