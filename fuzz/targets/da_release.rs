//! A reader's request for a key to be released, and a member's answer: it opens only as it was sealed.
#![no_main]

use commonware_codec::Encode;
use crypto::{
    envelope::{self, RecipientSecret},
    stream::{self, Key},
    threshold::{DealtThresholdKeys, ReleaseShare},
};
use da::{
    Domain,
    release::{Request, Response, Terms, identity, open_share},
};
use primitives::{B256, CHAIN_ID};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::sync::LazyLock;

const TERMS: Terms = Terms {
    policy: B256::repeat_byte(2),
    epoch: 5,
};
/// Who answers.
const MEMBER: u16 = 1;

struct Valid {
    domain: Domain,
    reader: RecipientSecret,
    share: ReleaseShare,
    request: Vec<u8>,
    response: Vec<u8>,
}

/// The answer is put together here from docs/spec/da.md, since a member asks a chain before it seals one.
static VALID: LazyLock<Valid> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let domain = Domain::of_chain(CHAIN_ID);
    let reader = RecipientSecret::from_seed(&[4; 32]);
    let identity = identity(&domain, &TERMS);
    let dealt = DealtThresholdKeys::deal(&mut rng, 2, 3).expect("two of three");
    let share = dealt.shares[usize::from(MEMBER)].release(&identity);
    let context = [b"aloft/da/release/share/v1", identity.0.as_ref()].concat();
    let key = Key::generate(&mut rng);
    let response = [
        &[0][..],
        &envelope::wrap(&mut rng, &reader.public(), &key, &context),
        &stream::seal(&key, [0; 7], &context, &share.encode()),
    ]
    .concat();
    let request = Request {
        terms: TERMS,
        reader: reader.public(),
    };
    Valid {
        request: request.encode().to_vec(),
        domain,
        reader,
        share,
        response,
    }
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let valid = &*VALID;
    for bytes in aloft_fuzz::tries(&valid.request, input) {
        aloft_fuzz::decode::<Request>(&bytes, &());
    }
    for bytes in aloft_fuzz::tries(&valid.response, input) {
        let Some(response) = aloft_fuzz::decode::<Response>(&bytes, &()) else {
            continue;
        };
        let share = open_share(&valid.domain, &TERMS, &valid.reader, MEMBER, &response).ok();
        let as_sealed = (bytes == valid.response).then_some(valid.share);
        assert_eq!(share, as_sealed, "a damaged answer opens");
        let other = open_share(&valid.domain, &TERMS, &valid.reader, MEMBER + 1, &response);
        assert!(other.is_err(), "one member's share passes for another's");
    }
});
