//! Train one model together over slow links: rounds, compression, valuation.
//!
//! Farms train on their own rows and send only compressed updates ([`compress`]); a coordinator closes rounds by quorum
//! ([`round`]); the two talk over authenticated streams ([`service`]). [`valuation`] says afterwards what each farm's part was
//! worth. The model itself is a [`Learner`]: parameters are `&[f32]`, nothing here knows a layer. See docs/spec/training.md.
//!
//! Every machine that holds the same updates computes the same parameters to the bit: sums are integers, in one order.

pub mod compress;
mod learner;
#[cfg(test)]
mod linear;
pub mod round;
pub mod service;
pub mod table;
pub mod valuation;

pub use learner::{Learner, TrainSummary};
