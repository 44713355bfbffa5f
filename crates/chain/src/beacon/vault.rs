//! What a validator must not forget of ceremonies: what it acknowledged, and its shares of the key.
//!
//! Both are secret: the folder of a node's journals is its owner's alone. What a seat deals is not here, for it follows from its key.

use super::{message::Dealing, plan::MAX_PARTICIPANTS};
use crate::{consensus::Runtime, keys::MAX_SEATS};
use commonware_codec::RangeCfg;
use commonware_cryptography::bls12381::primitives::group::Share;
use commonware_storage::metadata::{self, Metadata};
use commonware_utils::sequence::U64;

/// Dealings of an epoch at most: of each dealer, in as many parts as we have seats.
const MAX_DEALINGS: usize = MAX_PARTICIPANTS.get() as usize * MAX_SEATS;

/// Lists by epoch, each durable before it counts.
struct Lists<E: Runtime, T: commonware_codec::Codec>(Metadata<E, U64, Vec<T>>);

impl<E: Runtime, T: commonware_codec::Codec<Cfg = ()> + Clone> Lists<E, T> {
    async fn open(context: E, partition: String, max: usize) -> Result<Self, metadata::Error> {
        let config = metadata::Config {
            partition,
            codec_config: (RangeCfg::new(0..=max), ()),
        };
        Metadata::init(context, config).await.map(Self)
    }

    fn of(&self, epoch: u64) -> &[T] {
        self.0.get(&U64::new(epoch)).map_or(&[], Vec::as_slice)
    }

    async fn add(mut self, epoch: u64, items: Vec<T>, oldest: u64) -> Result<Self, metadata::Error> {
        self.0.retain(|key, _| u64::from(key) >= oldest);
        let all = [self.of(epoch), &items].concat();
        self.0.put_sync(U64::new(epoch), all).await.map(Self)
    }
}

/// The two lists of a validator.
pub(super) struct Vault<E: Runtime> {
    dealings: Lists<E, Dealing>,
    shares: Lists<E, Share>,
}

impl<E: Runtime> Vault<E> {
    pub(super) async fn open(context: &E, prefix: &str) -> Result<Self, metadata::Error> {
        let (dealings, shares) = (format!("{prefix}-beacon-dealings"), format!("{prefix}-beacon-shares"));
        Ok(Self {
            dealings: Lists::open(context.child("dealings"), dealings, MAX_DEALINGS).await?,
            shares: Lists::open(context.child("shares"), shares, MAX_SEATS).await?,
        })
    }

    /// What was acknowledged in the ceremony of `epoch`.
    pub(super) fn dealings(&self, epoch: u64) -> &[Dealing] {
        self.dealings.of(epoch)
    }

    /// Keeps what is about to be acknowledged; forgets what was in epochs before the last.
    pub(super) async fn keep_dealing(self, dealing: Dealing) -> Result<Self, metadata::Error> {
        let epoch = dealing.epoch;
        let dealings = self.dealings.add(epoch, vec![dealing], epoch.saturating_sub(1)).await?;
        Ok(Self { dealings, ..self })
    }

    /// Our shares of the key in the sharing that holds from `epoch` on.
    pub(super) fn shares(&self, epoch: u64) -> &[Share] {
        self.shares.of(epoch)
    }

    /// Keeps our shares of the sharing from `epoch` on; forgets those of sharings before `oldest`.
    pub(super) async fn keep_shares(
        self,
        epoch: u64,
        shares: Vec<Share>,
        oldest: u64,
    ) -> Result<Self, metadata::Error> {
        let shares = self.shares.add(epoch, shares, oldest).await?;
        Ok(Self { shares, ..self })
    }
}
