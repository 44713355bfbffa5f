use super::*;

const PREFIX: [u8; 7] = *b"prefix!";

#[test]
fn what_is_sealed_opens_at_every_length_near_a_segment_boundary() {
    let key = Key::from_bytes([7; 32]);
    for len in [
        0,
        1,
        SEGMENT_BYTES - 1,
        SEGMENT_BYTES,
        SEGMENT_BYTES + 1,
        2 * SEGMENT_BYTES,
        3 * SEGMENT_BYTES + 5,
    ] {
        let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let sealed = seal(&key, PREFIX, b"aad", &plain);
        assert_eq!(sealed.len() as u64, sealed_len(len as u64));
        assert_eq!(plain_len(sealed.len() as u64), Some(len as u64));
        assert_eq!(open(&key, &PREFIX, b"aad", &sealed).unwrap(), plain);
    }
}
