//! The contracts, as genesis creates them, run by revm under Prague's rules.

mod artifacts;
mod assignment;
mod book;
mod chain;
mod challenges;
mod channels;
mod documents;
mod entrance;
mod gas;
mod keys;
mod lottery;
mod models;
mod quorums;
mod readers;
mod registry;
mod samples;
mod seats;
mod services;
mod splitter;
mod stake;
mod tree;
mod usdx;
mod validators;
mod vectors;
