//! Train one model together over slow links: rounds, compression, valuation.
