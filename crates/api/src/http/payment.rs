//! The gate: nothing is computed that is not paid for, nothing is charged that was not promised.
//!
//! A request pays with a `PAYMENT-SIGNATURE` header (a voucher, with or without a deposit to bring to the chain first) or
//! with `Authorization: Bearer` and the API key of a session. One that pays with neither is told what it costs.

use super::{Api, Failure, Service, body};
use alloy_primitives::hex;
use axum::http::{HeaderMap, Uri, header};
use compute::{
    settlement,
    till::{Funds, Reservation, Reserved, Sale, Session, TillError},
    voucher::{CheckedVoucher, VoucherError},
    x402::{
        self, ChannelState, Charged, Deposit, Payment, PaymentRequired, PaymentResponse, Resource, VoucherState, reason,
    },
};
use contracts::{CallError, Provider, ProviderError, abi::X402BatchSettlement, addresses, typed_data::collector_data};
use primitives::{B256, Causes, Digest, U256};

/// How API keys begin, so that people and secret scanners know one when they see it.
pub(super) const KEY_PREFIX: &str = "sk-aloft-";
/// Bytes of an `Idempotency-Key`, at most.
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 256;

/// A request's way to pay that held up to every check but the till's.
pub(super) struct Purse {
    pub(super) channel_id: B256,
    pub(super) funds: Funds,
    /// What the channel's charges may reach by this purse.
    pub(super) limit: u128,
    request_id: B256,
    /// The deposit's transaction, if there was one.
    deposit: Option<B256>,
    /// Whether the client speaks x402, hence reads `PAYMENT-RESPONSE`.
    x402: bool,
}

/// A request that may be answered.
pub(super) enum Admitted {
    /// After computing, the reservation is charged.
    New(Reservation),
    /// It was charged before, and gets the same answer again.
    Before(Box<Sale>),
}

/// What a price is asked for.
pub(super) struct Ask<'a> {
    pub(super) service: &'a Service,
    pub(super) price: u128,
    pub(super) uri: &'a Uri,
    pub(super) headers: &'a HeaderMap,
}

impl Ask<'_> {
    /// 402, with everything needed to pay.
    fn refuse(&self, error: &str, text: String) -> Failure {
        self.refuse_with(error, text, None)
    }

    fn refuse_with(&self, error: &str, text: String, state: Option<(ChannelState, VoucherState)>) -> Failure {
        let mut requirements = self.service.offer().requirements(self.price);
        if let Some((channel, voucher)) = state {
            requirements.extra.channel_state = Some(channel);
            requirements.extra.voucher_state = Some(voucher);
        }
        let host = self
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or("localhost");
        let metadata = self.service.metadata();
        let resource = Resource {
            url: format!("http://{host}{}", self.uri.path()),
            description: format!("{} version {}", metadata.name, metadata.version),
            mime_type: "application/json".into(),
        };
        let required = PaymentRequired {
            x402_version: x402::VERSION,
            error: error.into(),
            resource,
            accepts: vec![requirements],
        };
        Failure::PaymentRequired {
            required: Box::new(required),
            text,
        }
    }
}

impl<P: Provider> Api<P> {
    /// Finds how a request pays: deposits brought to the chain, vouchers checked and taken, keys looked up.
    ///
    /// `fingerprint` names what is asked for, so that the same request paid the same way is the same sale.
    pub(super) async fn purse(&self, ask: &Ask<'_>, fingerprint: Digest) -> Result<Purse, Failure> {
        if let Some(header) = ask.headers.get(x402::PAYMENT_SIGNATURE) {
            let payment = Payment::from_header(header.as_bytes())
                .map_err(|error| Failure::BadRequest(Causes(&error).to_string()))?;
            return self.purse_of_voucher(ask, payment, fingerprint).await;
        }
        let authorization = body::text(ask.headers, header::AUTHORIZATION.as_str(), 256)?;
        if let Some(authorization) = authorization {
            let (key, session) = self.session(authorization)?;
            return self.purse_of_session(ask, key, session, fingerprint).await;
        }
        let row = ask.service.quote().row();
        Err(ask.refuse(
            "payment required",
            format!("payment required: {} micro-USDX ({row} a row)", ask.price),
        ))
    }

    /// The session whose key an `Authorization` header shows, with the key's digest.
    pub(super) fn session(&self, authorization: &str) -> Result<(Digest, Session), Failure> {
        let key = authorization
            .strip_prefix("Bearer ")
            .map(str::trim)
            .filter(|key| key.starts_with(KEY_PREFIX))
            .ok_or_else(|| Failure::Unauthorized(format!("authorization is 'Bearer {KEY_PREFIX}…' here")))?;
        // Only digests are stored: whoever reads the disk cannot spend.
        let key = Digest::of(key.as_bytes());
        let session = self.0.till.session(*key.as_bytes())?;
        Ok((
            key,
            session.ok_or_else(|| Failure::Unauthorized("the API key is not known here".into()))?,
        ))
    }

    async fn purse_of_session(
        &self,
        ask: &Ask<'_>,
        key: Digest,
        session: Session,
        fingerprint: Digest,
    ) -> Result<Purse, Failure> {
        let Session { channel_id, limit } = session;
        let receiver = ask.service.offer().terms.receiver;
        if self
            .0
            .till
            .account(channel_id)
            .is_none_or(|account| account.config.receiver != receiver)
        {
            let text = "the API key pays another model: open a session for this one".to_owned();
            return Err(ask.refuse(reason::RECEIVER_MISMATCH, text));
        }
        let funds = self.funds(channel_id).await?;
        // Without a key of the client's own, two requests are two requests, however alike.
        let own = match body::text(ask.headers, "idempotency-key", MAX_IDEMPOTENCY_KEY_BYTES)? {
            Some(own) => Digest::of(own.as_bytes()),
            None => Digest::from(rand::random::<[u8; 32]>()),
        };
        let request_id = request_id(b"session", &[key.as_ref(), own.as_ref(), fingerprint.as_ref()]);
        Ok(Purse {
            channel_id,
            funds,
            limit,
            request_id,
            deposit: None,
            x402: false,
        })
    }

    async fn purse_of_voucher(&self, ask: &Ask<'_>, payment: Payment, fingerprint: Digest) -> Result<Purse, Failure> {
        let offer = ask.service.offer();
        if payment.scheme != x402::SCHEME {
            return Err(ask.refuse(reason::SCHEME, format!("scheme {} is not spoken here", payment.scheme)));
        }
        if payment.network != offer.network() {
            return Err(ask.refuse(
                reason::NETWORK_MISMATCH,
                format!("network {} is another one", payment.network),
            ));
        }
        let claimed = payment.channel_id;
        let checked = payment.voucher.check(&offer.terms).and_then(|checked| {
            let computed = checked.channel_id();
            if computed == claimed {
                Ok(checked)
            } else {
                Err(VoucherError::ChannelId { computed, claimed })
            }
        });
        let checked = checked.map_err(|error| ask.refuse(voucher_reason(&error), Causes(&error).to_string()))?;
        let (channel_id, limit) = (checked.channel_id(), checked.voucher().ceiling);
        let request_id = request_id(
            b"voucher",
            &[channel_id.as_slice(), &limit.to_be_bytes(), fingerprint.as_ref()],
        );

        let deposit = match payment.deposit {
            Some(deposit) => self.deposit(ask, &checked, &deposit).await?,
            None => None,
        };
        let mut funds = self.funds(channel_id).await?;
        if limit > funds.promisable() {
            // A deposit made by other hands may be newer than what we remember.
            funds = self.read_funds(channel_id).await?;
        }
        match self.0.till.accept(&checked, funds) {
            Ok(()) => Ok(Purse {
                channel_id,
                funds,
                limit,
                request_id,
                deposit,
                x402: true,
            }),
            Err(error @ TillError::Unfunded { .. }) => Err(ask.refuse(reason::EXCEEDS_BALANCE, error.to_string())),
            Err(error @ TillError::TooLittle { .. }) => Err(ask.refuse(reason::CUMULATIVE_MISMATCH, error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// Brings a deposit into the channel; `None` when it cannot be made again but the channel already holds enough, which is
    /// how the second try of a client whose first answer was lost looks.
    async fn deposit(
        &self,
        ask: &Ask<'_>,
        checked: &CheckedVoucher,
        deposit: &Deposit,
    ) -> Result<Option<B256>, Failure> {
        let channel_id = checked.channel_id();
        let call = X402BatchSettlement::depositCall {
            config: checked.voucher().config.clone(),
            amount: deposit.amount,
            collector: addresses::ERC3009_COLLECTOR,
            collectorData: collector_data(
                deposit.valid_after,
                deposit.valid_before,
                deposit.salt,
                deposit.signature.into(),
            ),
        };
        let _turn = self.0.deposits.lock().await;
        // The trial run costs no gas: a client cannot make us pay for deposits that revert.
        match contracts::read(&self.0.provider, addresses::PAYMENT_CHANNELS, &call).await {
            Ok(_) => {}
            Err(CallError::Provider(ProviderError::Reverted { reason: why, .. })) => {
                let funds = self.read_funds(channel_id).await?;
                if checked.voucher().ceiling <= funds.promisable() {
                    return Ok(None);
                }
                return Err(ask.refuse(
                    reason::DEPOSIT_SIMULATION_FAILED,
                    format!("the deposit would fail: {why}"),
                ));
            }
            Err(error) => return Err(Failure::Unavailable(Causes(&error).to_string())),
        }
        let mined = contracts::write(&self.0.provider, addresses::PAYMENT_CHANNELS, &call, U256::ZERO).await;
        let mined = mined.map_err(|error| {
            ask.refuse(
                reason::DEPOSIT_TRANSACTION_FAILED,
                format!("the deposit failed: {error}"),
            )
        })?;
        self.0.metrics.deposits.inc();
        self.read_funds(channel_id).await?;
        Ok(Some(mined.hash))
    }

    async fn funds(&self, channel_id: B256) -> Result<Funds, Failure> {
        match self.0.funds.get(channel_id) {
            Some(funds) => Ok(funds),
            None => self.read_funds(channel_id).await,
        }
    }

    async fn read_funds(&self, channel_id: B256) -> Result<Funds, Failure> {
        let funds = settlement::funds(&self.0.provider, channel_id).await;
        let funds = funds.map_err(|error| Failure::Unavailable(Causes(&error).to_string()))?;
        self.0.funds.put(channel_id, funds);
        Ok(funds)
    }

    /// Holds the price in the till, or finds that this very request was charged before.
    pub(super) fn admit(&self, ask: &Ask<'_>, purse: &Purse) -> Result<Admitted, Failure> {
        let till = &self.0.till;
        match till.reserve(purse.channel_id, purse.request_id, ask.price, purse.limit, purse.funds) {
            Ok(Reserved::New(reservation)) => Ok(Admitted::New(reservation)),
            Ok(Reserved::Before(sale)) => {
                self.0.metrics.replays.inc();
                Ok(Admitted::Before(sale))
            }
            Err(error @ TillError::TooLittle { .. }) => Err(self.mismatch(ask, purse, error.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    /// 402 with what we count on the channel and the payer's own signature under it: the client checks both and signs anew.
    pub(super) fn mismatch(&self, ask: &Ask<'_>, purse: &Purse, text: String) -> Failure {
        let state = self.0.till.account(purse.channel_id).map(|account| {
            let channel = ChannelState::new(purse.channel_id, purse.funds, account.charged);
            let signed_max_claimable = account.ceiling.to_string();
            (
                channel,
                VoucherState {
                    signed_max_claimable,
                    signature: account.signature.into(),
                },
            )
        });
        ask.refuse_with(reason::CUMULATIVE_MISMATCH, text, state)
    }

    /// The `PAYMENT-RESPONSE` header of a client that reads it: `charged` for this request, `total` by the channel in all.
    pub(super) fn payment_response(
        &self,
        service: &Service,
        purse: &Purse,
        charged: u128,
        total: u128,
    ) -> Option<String> {
        let account = self.0.till.account(purse.channel_id).filter(|_| purse.x402)?;
        Some(x402::header(&PaymentResponse {
            success: true,
            transaction: purse.deposit.map(hex::encode_prefixed).unwrap_or_default(),
            network: service.offer().network(),
            payer: account.config.payer,
            extra: Charged {
                charged_amount: charged.to_string(),
                channel_state: ChannelState::new(purse.channel_id, purse.funds, total),
            },
        }))
    }

    /// What the channel of a purse was charged in all.
    pub(super) fn charged(&self, purse: &Purse) -> u128 {
        self.0
            .till
            .account(purse.channel_id)
            .map_or(0, |account| account.charged)
    }
}

/// Names a request by how it is paid and what it asks for.
fn request_id(kind: &[u8], parts: &[&[u8]]) -> B256 {
    // Every part has a fixed length within its kind, so the concatenation is unambiguous.
    Digest::of(&[b"aloft/compute/request-id/v1/".as_slice(), kind, &parts.concat()].concat()).0
}

/// x402's word for what is wrong with a voucher.
fn voucher_reason(error: &VoucherError) -> &'static str {
    match error {
        VoucherError::Receiver { .. } => reason::RECEIVER_MISMATCH,
        VoucherError::ReceiverAuthorizer { .. } => reason::RECEIVER_AUTHORIZER_MISMATCH,
        VoucherError::Token { .. } => reason::TOKEN_MISMATCH,
        VoucherError::WithdrawDelay { .. } => reason::WITHDRAW_DELAY_MISMATCH,
        VoucherError::ChannelId { .. } => reason::CHANNEL_ID_MISMATCH,
        VoucherError::Signature { .. } | VoucherError::Signer { .. } => reason::VOUCHER_SIGNATURE,
    }
}
