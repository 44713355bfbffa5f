//! The Open Inference Protocol, payments, receipts, metrics.
