//! Hash, sign, commit, encode, encrypt: everything with a proof.
//!
//! Pure functions of their arguments: no clock, no network, no disk, and no randomness but the generator a caller hands in.
//! Wide instructions are chosen at run time and give the bytes that the scalar code gives. docs/spec/proofs.md states the
//! formats and the arithmetic, so that another implementation can be checked against this one.

pub mod bls;
pub mod ceremony;
pub mod classic;
pub mod combination;
pub mod digest;
pub mod ecdsa;
pub mod envelope;
pub mod keccak;
pub mod kzg;
pub mod merkle;
pub mod recipients;
pub mod reed_solomon;
pub mod stream;
pub mod threshold;

mod g1;
mod galois;
mod scalar;
