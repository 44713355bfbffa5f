//! Run and train the networks Aloft serves, with the same bits on every CPU.
