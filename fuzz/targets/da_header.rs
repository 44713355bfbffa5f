//! A blob's header, its meta data, and what a sealed one opens to.
#![no_main]

use aloft_fuzz::BLOB;
use bytes::Bytes;
use commonware_codec::Encode;
use crypto::{envelope::RecipientSecret, stream::Key};
use da::{
    CodedBlob, Meta, Privacy,
    encode::{Request, open, open_meta},
    header,
};
use primitives::{Address, Epoch};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::sync::LazyLock;

static PUBLIC: LazyLock<Vec<u8>> = LazyLock::new(|| BLOB.head().header().encode().to_vec());

struct Sealed {
    header: Vec<u8>,
    key: Key,
    reader: RecipientSecret,
}

static SEALED: LazyLock<Sealed> = LazyLock::new(|| {
    let (key, reader) = (Key::from_bytes([3; 32]), RecipientSecret::from_seed(&[4; 32]));
    let request = Request {
        owner: Address::repeat_byte(1),
        epoch: Epoch(0),
        expiry_block: 10_000,
        meta: b"\x05a.csv\x08text/csv".to_vec(),
        privacy: Privacy::Sealed {
            key: &key,
            recipients: &[reader.public()],
        },
    };
    let blob = CodedBlob::encode(&mut ChaCha20Rng::seed_from_u64(8), vec![5; 1000], request).expect("a blob");
    let header = blob.head().header().encode().to_vec();
    Sealed { header, key, reader }
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some(meta) = Meta::from_bytes(input) {
        assert_eq!(meta.to_bytes().expect("two short texts"), input);
    }
    let tries = [
        input.to_vec(),
        aloft_fuzz::damage(&PUBLIC, input),
        aloft_fuzz::damage(&SEALED.header, input),
    ];
    for bytes in tries {
        let Ok(header) = header::decode(Bytes::from(bytes.clone())) else {
            continue;
        };
        assert_eq!(header.encode().as_ref(), bytes);
        let params = &header.params;
        for key in [None, Some(&SEALED.key), params.unwrap_key(&SEALED.reader).as_ref()] {
            let _ = open_meta(params, key);
            let _ = open(params, key, input.to_vec());
        }
    }
});
