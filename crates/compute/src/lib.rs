//! Sell and buy computation: offers, metering, vouchers, receipts, settlement, verification.
