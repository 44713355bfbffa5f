//! Hash, sign, commit, encode, encrypt: everything with a proof.
