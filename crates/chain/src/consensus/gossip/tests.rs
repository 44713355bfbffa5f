use super::*;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

#[test]
fn a_batch_reads_back_from_its_bytes() {
    let batch = Batch(vec![
        Bytes::from_static(b"one"),
        Bytes::new(),
        Bytes::from(vec![7; 300]),
    ]);
    assert_eq!(Batch::decode(batch.encode()).unwrap(), batch);
}

#[test]
fn a_batch_that_promises_more_than_it_holds_is_refused() {
    for bytes in [
        vec![0xff, 0xff, 0xff, 0xff, 0x0f],
        vec![2, 1, 0],
        vec![1, 0x81, 0x80, 0x08],
        vec![0; MAX_BATCH_BYTES + 1],
    ] {
        assert!(Batch::decode(bytes::Bytes::from(bytes)).is_err());
    }
}

#[test]
fn random_bytes_are_refused_or_read_back_as_they_were() {
    let mut random = StdRng::seed_from_u64(13);
    for _ in 0..50_000 {
        let length = random.random_range(0..40);
        let bytes: Vec<u8> = (0..length).map(|_| random.random_range(0..6)).collect();
        if let Ok(batch) = Batch::decode(bytes::Bytes::from(bytes.clone())) {
            assert_eq!(batch.encode(), bytes);
        }
    }
}
