//! Simulations of the unchanged node.

mod agreement;
mod validators;
