//! Sell and buy computation: offers, metering, vouchers, receipts, settlement, verification.
//!
//! A provider serves a model at a [`price`] a row; a payer pays by [`voucher`]s on a channel; the [`till`] keeps both honest
//! across crashes; every answer carries a [`receipt`] that anyone with the request can check by computing it again;
//! [`settlement`] turns the till's book into money on chain. [`inference`] and [`x402`] are the two public formats spoken.
//! No clock, no randomness, no network here: times and salts arrive as values.

pub mod inference;
pub mod price;
pub mod receipt;
pub mod settlement;
pub mod till;
pub mod voucher;
pub mod x402;
