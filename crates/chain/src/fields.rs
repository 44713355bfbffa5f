//! Fields of this crate's own binary forms: numbers of a fixed size and counts of four bytes, big endian.
//!
//! Bytes are taken from the front of a slice. `None` is the end before the field's; what a count may be at most, who takes it says.

/// A count or length, as it is written.
///
/// # Panics
///
/// From 4 billion on: a block has less of anything.
pub(crate) fn count(count: usize) -> [u8; 4] {
    u32::try_from(count)
        .expect("a block and a page have under 4 billion of anything")
        .to_be_bytes()
}

/// Appends the length of `bytes`, and them.
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(count(bytes.len()));
    out.extend(bytes);
}

/// Takes `N` bytes.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    bytes.split_off(..N)?.try_into().ok()
}

/// Takes a count or length.
pub(crate) fn take_count(bytes: &mut &[u8]) -> Option<usize> {
    take(bytes).map(|count| u32::from_be_bytes(count) as usize)
}

/// Takes what [`put_bytes`] appended.
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_count(bytes)?;
    bytes.split_off(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_was_cut_off_is_not() {
        let mut written = 7u16.to_be_bytes().to_vec();
        written.extend(count(3));
        put_bytes(b"bytes", &mut written);
        let read = |mut bytes: &[u8]| {
            let bytes = &mut bytes;
            let number = u16::from_be_bytes(take(bytes)?);
            Some((number, take_count(bytes)?, take_bytes(bytes)?.to_vec(), bytes.len()))
        };
        assert_eq!(read(&written), Some((7, 3, b"bytes".to_vec(), 0)));
        for length in 0..written.len() {
            assert_eq!(read(&written[..length]), None, "{length} bytes");
        }
        // A length beyond the end reserves nothing.
        assert_eq!(take_bytes(&mut &[0xff; 9][..]), None);
    }
}
