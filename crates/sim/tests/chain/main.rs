//! Simulations of the unchanged node.

mod agreement;
mod beacon;
mod validators;
