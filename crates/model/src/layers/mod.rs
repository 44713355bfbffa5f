//! The parts networks are made of, forward and backward.
//!
//! A layer knows where its tensors lie in the flat parameters and nothing of the network around it. Backward passes add to a
//! gradient laid out like the parameters.

pub(crate) mod activation;
pub(crate) mod attention;
pub(crate) mod linear;
pub(crate) mod loss;
pub(crate) mod norm;
