//! Asking a provider's model, and paying for the answer.
//!
//! The first request to a model carries a deposit into a channel whose receiver is the model's splitter; every request carries a
//! voucher for what was charged before plus this request's price. What a dishonest provider can take is one request's price. The
//! count of what was charged is believed only as far as a voucher of our own covers it.

use crate::provider::HttpProvider;
use alloy_sol_types::private::primitives::aliases::U40;
use compute::{
    inference::{InferRequest, InferResponse, decode_response},
    settlement,
    till::Funds,
    voucher::Voucher,
    x402::{self, Deposit, Payment, PaymentRequired, PaymentResponse, Requirements, VoucherState},
};
use contracts::{
    CallError, addresses,
    typed_data::{self, ChannelConfig, ReceiveWithAuthorization},
};
use crypto::ecdsa;
use primitives::{Address, B256, U256};
use reqwest::{Response, StatusCode, header::HeaderMap};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longest wait for one answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest answer read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Requests a deposit pays for: few deposits, and little money in a channel.
const DEPOSIT_REQUESTS: u128 = 50;

/// Times a request is repeated because the provider counted differently, before the disagreement is an error.
const MAX_RECOUNTS: usize = 2;

/// Name of the header with the id of an answer's receipt.
pub const RECEIPT_HEADER: &str = "x-aloft-receipt";

/// Name of the header with the salt of an answer's receipt: whoever has it can read the evidence.
pub const SALT_HEADER: &str = "x-aloft-receipt-salt";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// The provider was not reached, or broke off.
    #[error("no answer from the provider at {url}")]
    Http {
        /// Where the request went.
        url: String,
        /// What the transport said.
        source: reqwest::Error,
    },
    /// The chain was not reached.
    #[error(transparent)]
    Chain(Box<CallError>),
    /// The provider refused.
    #[error("the provider refused ({status}): {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The provider asks more than the caller allows.
    #[error("the provider asks {price}, the limit is {limit} (millionths of a USDX)")]
    TooDear {
        /// What it asks.
        price: u128,
        /// What the caller allows.
        limit: u128,
    },
    /// The provider asks for something this client does not pay: another chain, token or scheme.
    #[error("the provider wants to be paid by {wanted}, which this client does not do")]
    Terms {
        /// What it wants.
        wanted: String,
    },
    /// The provider's count of what was charged has no voucher of ours behind it, or it charged more than it may.
    #[error("the provider counts {counted} charged, our vouchers cover {covered}")]
    Miscount {
        /// Its count.
        counted: u128,
        /// What our vouchers cover.
        covered: u128,
    },
    /// The answer is not one.
    #[error("the provider's answer is not understood: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
}

impl From<CallError> for InferenceError {
    fn from(error: CallError) -> Self {
        Self::Chain(Box::new(error))
    }
}

/// An answer, what it cost, and how to check it.
#[derive(Clone, Debug)]
pub struct Inference {
    /// The answer.
    pub response: InferResponse,
    /// What was charged, in millionths of a USDX.
    pub price: u128,
    /// Id of the receipt.
    pub receipt: B256,
    /// Salt of the receipt; with it the provider shows request and answer to whoever has it.
    pub salt: Option<[u8; 32]>,
    /// Transaction that put money into the channel, when this request did.
    pub deposit: Option<B256>,
}

/// What we know of a channel.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    charged: u128,
    funds: Funds,
}

/// Buys answers from one provider, on behalf of the wallet of `provider`.
pub struct Buyer {
    url: String,
    http: reqwest::Client,
    provider: HttpProvider,
    /// The channel in use and what we know of it; a model with another splitter has another channel.
    channel: Option<(B256, Known)>,
}

impl Buyer {
    /// A buyer at the provider's HTTP URL, paying through `provider`'s chain and wallet. Nothing is sent yet.
    pub fn new(url: &str, provider: HttpProvider) -> Self {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()
            .expect("a client without TLS or proxies has nothing to fail on");
        Self {
            url: url.trim_end_matches('/').to_owned(),
            http,
            provider,
            channel: None,
        }
    }

    /// Asks `request` of its model and pays at most `limit` millionths of a USDX.
    ///
    /// # Errors
    ///
    /// [`InferenceError`]. When the provider answered but miscounted, the voucher it holds covers this one request at most.
    pub async fn infer(&mut self, request: &InferRequest, limit: u128) -> Result<Inference, InferenceError> {
        let body = request.canonical();
        let url = format!("{}/v2/models/{}/infer", self.url, request.model_name);
        let unpaid = self.post(&url, &body, None).await?;
        if unpaid.status() != StatusCode::PAYMENT_REQUIRED {
            return Err(refusal(unpaid).await);
        }
        let mut requirements = requirements(unpaid.headers())?;
        for _ in 0..=MAX_RECOUNTS {
            let price = self.price(&requirements, limit)?;
            let config = self.channel_config(&requirements);
            let channel_id = typed_data::channel_id(self.provider.chain_id(), &config);
            let known = self.know(channel_id).await?;
            let payment = self.payment(&requirements, config, known, price);
            let covered = payment.voucher.ceiling;
            let response = self.post(&url, &body, Some(payment.to_header())).await?;
            if response.status() == StatusCode::PAYMENT_REQUIRED {
                requirements = self::requirements(response.headers())?;
                self.recount(channel_id, &payment.voucher.config, &requirements).await?;
                continue;
            }
            if response.status() != StatusCode::OK {
                return Err(refusal(response).await);
            }
            return self.answer(channel_id, response, known, covered).await;
        }
        Err(InferenceError::Malformed {
            reason: "it keeps asking for payment after it was paid".into(),
        })
    }

    async fn post(&self, url: &str, body: &[u8], payment: Option<String>) -> Result<Response, InferenceError> {
        let mut request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .body(body.to_vec());
        if let Some(payment) = payment {
            request = request.header(x402::PAYMENT_SIGNATURE, payment);
        }
        request.send().await.map_err(|source| InferenceError::Http {
            url: url.to_owned(),
            source,
        })
    }

    /// The price, if it is one we pay.
    fn price(&self, requirements: &Requirements, limit: u128) -> Result<u128, InferenceError> {
        let network = format!("eip155:{}", self.provider.chain_id());
        let payable = requirements.scheme == x402::SCHEME
            && requirements.network == network
            && requirements.asset == addresses::USDX
            && requirements.extra.asset_transfer_method == "eip3009"
            // A longer delay would lock money up for longer than a month; the contract knows no longer one.
            && requirements.extra.withdraw_delay <= 30 * 24 * 3600;
        if !payable {
            let Requirements {
                scheme, network, asset, ..
            } = requirements;
            return Err(InferenceError::Terms {
                wanted: format!("{scheme} on {network} in {asset}"),
            });
        }
        let price = amount(&requirements.amount)?;
        if price > limit {
            return Err(InferenceError::TooDear { price, limit });
        }
        Ok(price)
    }

    fn channel_config(&self, requirements: &Requirements) -> ChannelConfig {
        let payer = self.provider.wallet().address();
        ChannelConfig {
            payer,
            payerAuthorizer: payer,
            receiver: requirements.pay_to,
            receiverAuthorizer: requirements.extra.receiver_authorizer,
            token: requirements.asset,
            withdrawDelay: U40::from(requirements.extra.withdraw_delay),
            // One channel for each receiver is enough for one wallet, and can be found again without remembering anything.
            salt: B256::ZERO,
        }
    }

    async fn know(&mut self, channel_id: B256) -> Result<Known, InferenceError> {
        if let Some((id, known)) = self.channel
            && id == channel_id
        {
            return Ok(known);
        }
        let funds = settlement::funds(&self.provider, channel_id).await?;
        let known = Known {
            charged: funds.claimed,
            funds,
        };
        self.channel = Some((channel_id, known));
        Ok(known)
    }

    /// A voucher for what was charged and `price` more, with a deposit when the channel does not hold that much.
    fn payment(&self, requirements: &Requirements, config: ChannelConfig, known: Known, price: u128) -> Payment {
        let chain_id = self.provider.chain_id();
        let channel_id = typed_data::channel_id(chain_id, &config);
        let ceiling = known.charged + price;
        let missing = ceiling.saturating_sub(known.funds.promisable());
        let deposit =
            (missing > 0).then(|| self.deposit(requirements, channel_id, missing.max(price * DEPOSIT_REQUESTS)));
        let signature = self
            .provider
            .wallet()
            .secret()
            .sign(&typed_data::voucher_digest(chain_id, channel_id, ceiling));
        Payment {
            scheme: x402::SCHEME.into(),
            network: requirements.network.clone(),
            channel_id,
            voucher: Voucher {
                config,
                ceiling,
                signature,
            },
            deposit,
        }
    }

    fn deposit(&self, requirements: &Requirements, channel_id: B256, amount: u128) -> Deposit {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_secs());
        let valid_before = U256::from(now.saturating_add(requirements.max_timeout_seconds));
        // Each deposit needs a nonce of its own; the time in nanoseconds is one, for a wallet with one buyer.
        let salt = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_nanos());
        let salt = U256::from(salt);
        let authorization = ReceiveWithAuthorization {
            from: self.provider.wallet().address(),
            to: addresses::ERC3009_COLLECTOR,
            value: U256::from(amount),
            validAfter: U256::ZERO,
            validBefore: valid_before,
            nonce: typed_data::deposit_nonce(channel_id, salt),
        };
        let digest = typed_data::receive_with_authorization_digest(self.provider.chain_id(), &authorization);
        let signature = self.provider.wallet().secret().sign(&digest);
        Deposit {
            amount,
            valid_after: U256::ZERO,
            valid_before,
            salt,
            signature,
        }
    }

    /// Takes over the provider's count after it refused ours: as far as a voucher that we signed covers it.
    async fn recount(
        &mut self,
        channel_id: B256,
        config: &ChannelConfig,
        requirements: &Requirements,
    ) -> Result<(), InferenceError> {
        let funds = settlement::funds(&self.provider, channel_id).await?;
        let Some(state) = &requirements.extra.channel_state else {
            // No count of its own: the deposit or the chain was behind, and the balance read just now says what is there.
            self.channel = Some((
                channel_id,
                Known {
                    charged: self.charged().max(funds.claimed),
                    funds,
                },
            ));
            return Ok(());
        };
        let counted = amount(&state.charged_cumulative_amount)?;
        let covered = match &requirements.extra.voucher_state {
            Some(VoucherState {
                signed_max_claimable,
                signature,
            }) => {
                let ceiling = amount(signed_max_claimable)?;
                let digest = typed_data::voucher_digest(self.provider.chain_id(), channel_id, ceiling);
                let ours = ecdsa::Signature::try_from(signature.as_ref())
                    .is_ok_and(|signature| ecdsa::recover(&digest, &signature) == Ok(config.payer));
                if ours { ceiling } else { 0 }
            }
            None => 0,
        };
        let covered = covered.max(funds.claimed);
        if counted > covered {
            return Err(InferenceError::Miscount { counted, covered });
        }
        self.channel = Some((
            channel_id,
            Known {
                charged: counted,
                funds,
            },
        ));
        Ok(())
    }

    fn charged(&self) -> u128 {
        self.channel.map_or(0, |(_, known)| known.charged)
    }

    async fn answer(
        &mut self,
        channel_id: B256,
        response: Response,
        before: Known,
        covered: u128,
    ) -> Result<Inference, InferenceError> {
        let headers = response.headers().clone();
        let malformed = |reason: &str| InferenceError::Malformed { reason: reason.into() };
        let paid =
            header(&headers, x402::PAYMENT_RESPONSE).ok_or_else(|| malformed("it does not say what it charged"))?;
        let paid: PaymentResponse =
            x402::from_header(paid.as_bytes()).map_err(|error| malformed(&error.to_string()))?;
        let counted = amount(&paid.extra.channel_state.charged_cumulative_amount)?;
        if counted > covered || counted < before.charged {
            return Err(InferenceError::Miscount { counted, covered });
        }
        let deposit = paid.transaction.parse::<B256>().ok();
        let funds = match deposit {
            Some(_) => settlement::funds(&self.provider, channel_id).await?,
            None => before.funds,
        };
        self.channel = Some((
            channel_id,
            Known {
                charged: counted,
                funds,
            },
        ));
        let receipt = header(&headers, RECEIPT_HEADER).and_then(|text| text.parse().ok());
        let salt = header(&headers, SALT_HEADER).and_then(|text| text.parse::<B256>().ok());
        let body = read(response, &self.url).await?;
        let answer = decode_response(&body, None).map_err(|error| malformed(&error.to_string()))?;
        Ok(Inference {
            response: answer,
            price: counted - before.charged,
            receipt: receipt.ok_or_else(|| malformed("it gives no receipt"))?,
            salt: salt.map(|salt| salt.0),
            deposit,
        })
    }

    /// The account that pays.
    pub fn payer(&self) -> Address {
        self.provider.wallet().address()
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn requirements(headers: &HeaderMap) -> Result<Requirements, InferenceError> {
    let malformed = |reason: String| InferenceError::Malformed { reason };
    let required =
        header(headers, x402::PAYMENT_REQUIRED).ok_or_else(|| malformed("it does not say its price".into()))?;
    let required: PaymentRequired =
        x402::from_header(required.as_bytes()).map_err(|error| malformed(error.to_string()))?;
    let wanted: Vec<String> = required.accepts.iter().map(|way| way.scheme.clone()).collect();
    let ours = required.accepts.into_iter().find(|way| way.scheme == x402::SCHEME);
    ours.ok_or_else(|| InferenceError::Terms {
        wanted: wanted.join(" or "),
    })
}

fn amount(text: &str) -> Result<u128, InferenceError> {
    text.parse().map_err(|_| InferenceError::Malformed {
        reason: format!("{text:?} is no amount"),
    })
}

pub(crate) async fn refusal(response: Response) -> InferenceError {
    let status = response.status().as_u16();
    let url = response.url().to_string();
    match read(response, &url).await {
        Ok(body) => InferenceError::Refused {
            status,
            message: String::from_utf8_lossy(&body[..body.len().min(1024)]).into(),
        },
        Err(error) => error,
    }
}

/// Reads a body up to [`MAX_ANSWER_BYTES`].
pub(crate) async fn read(mut response: Response, url: &str) -> Result<Vec<u8>, InferenceError> {
    let mut body = Vec::new();
    let failed = |source| InferenceError::Http {
        url: url.to_owned(),
        source,
    };
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(InferenceError::Malformed {
                reason: format!("it is longer than {MAX_ANSWER_BYTES} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
