use super::*;
use proptest::prelude::*;

#[test]
fn packed_bytes_unpack_at_every_edge_of_an_element() {
    for bytes in [0, 1, 26, 27, 28, 31, 58, 59, PACKED_BYTES_MAX - 1, PACKED_BYTES_MAX] {
        let packed: Vec<u8> = (0..bytes).map(|byte| byte as u8 | 1).collect();
        let blob = Blob::pack(&packed).unwrap();
        assert_eq!(blob.as_bytes().len(), BLOB_BYTES);
        assert_eq!(blob.unpack().unwrap(), packed);
    }
    let bytes = PACKED_BYTES_MAX + 1;
    assert_eq!(Blob::pack(&vec![0; bytes]), Err(PackError { bytes }));
    assert!(Blob::from_bytes(&[0; BLOB_BYTES - 1]).is_none());
}

#[test]
fn a_blob_that_was_not_packed_does_not_unpack() {
    let good = Blob::pack(b"hello").unwrap().as_bytes().to_vec();
    let changed = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        Blob::from_bytes(&bytes).unwrap().unpack()
    };
    assert_eq!(changed(32 * 9, 1), Err(UnpackError::WideElement { index: 9 }));
    assert_eq!(changed(1, 1), Err(UnpackError::Length { bytes: (1 << 24) + 5 }));
    assert_eq!(changed(10, 1), Err(UnpackError::Tail { at: 9, bytes: 5 }));
    assert_eq!(
        changed(BLOB_BYTES - 1, 7),
        Err(UnpackError::Tail { at: 126_975, bytes: 5 })
    );
    assert_eq!(changed(9, b'!').unwrap(), b"hell!");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_pack_and_unpack(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert_eq!(Blob::pack(&bytes).unwrap().unpack().unwrap(), bytes);
    }
}
