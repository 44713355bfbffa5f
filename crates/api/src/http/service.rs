//! A model on sale: its engine, its price, and who is paid.

use compute::{
    inference::{Engine, ModelMetadata},
    price::{PriceError, Quote},
    receipt::VerifyClass,
    x402::Offer,
};
use std::sync::Arc;

/// A model on sale.
pub struct Service {
    engine: Arc<dyn Engine>,
    metadata: ModelMetadata,
    quote: Quote,
    offer: Offer,
    verify_class: VerifyClass,
}

impl Service {
    /// A model served by `engine` at `quote` a row, paid on the terms of `offer`: its receiver is the model's splitter.
    ///
    /// # Errors
    ///
    /// [`PriceError::Free`] when a row costs nothing: a channel cannot pay that.
    pub fn new(
        engine: Arc<dyn Engine>,
        quote: Quote,
        offer: Offer,
        verify_class: VerifyClass,
    ) -> Result<Self, PriceError> {
        quote.total(1)?;
        let metadata = engine.metadata();
        Ok(Self {
            engine,
            metadata,
            quote,
            offer,
            verify_class,
        })
    }

    /// What computes.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// What is served.
    pub fn metadata(&self) -> &ModelMetadata {
        &self.metadata
    }

    /// What a row costs.
    pub fn quote(&self) -> &Quote {
        &self.quote
    }

    /// How it is paid.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// How its answers may be checked.
    pub fn verify_class(&self) -> VerifyClass {
        self.verify_class
    }
}
