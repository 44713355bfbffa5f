use super::*;
use crate::digest;

/// Bytes that a seed fixes.
fn bytes(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_derive_key("aloft crypto tests")
        .update(seed.as_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

#[test]
fn parity_is_that_of_reed_solomon_simd() {
    for (k, n) in [
        (32, 64),
        (32, 96),
        (64, 256),
        (128, 384),
        (256, 512),
        (512, 1536),
        (1024, 2048),
        (1024, 3072),
        (1024, 4096),
    ] {
        let data = bytes("parity", k as usize * 128);
        let parity = Code::new(k, n).unwrap().encode(&data, 128);
        let mut oracle = reed_solomon_simd::rate::LowRateEncoder::new(
            k as usize,
            (n - k) as usize,
            128,
            reed_solomon_simd::engine::DefaultEngine::new(),
            None,
        )
        .unwrap();
        use reed_solomon_simd::rate::RateEncoder;
        for row in data.chunks(128) {
            oracle.add_original_shard(row).unwrap();
        }
        let expected = oracle.encode().unwrap();
        let expected: Vec<u8> = expected.recovery_iter().flatten().copied().collect();
        assert!(parity == expected, "{k} {n}");
        let all: Vec<&[u8]> = data.chunks(128).chain(parity.chunks(128)).collect();
        let last: Vec<(u32, &[u8])> = (0..k).map(|i| (n - 1 - i, all[(n - 1 - i) as usize])).collect();
        assert!(Code::new(k, n).unwrap().decode(&last, 128).unwrap() == data);
        let spread: Vec<(u32, &[u8])> = (0..k)
            .map(|i| (i * (n / k) + 1, all[(i * (n / k) + 1) as usize]))
            .collect();
        assert!(Code::new(k, n).unwrap().decode(&spread, 128).unwrap() == data);
    }
    let _ = digest::GROUP_ROWS;
}
