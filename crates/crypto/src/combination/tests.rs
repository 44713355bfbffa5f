use super::*;

#[test]
fn every_row_combines_to_what_the_code_says() {
    let code = Code::new(32, 96).unwrap();
    let mut data = vec![0; 32 * 256];
    blake3::Hasher::new().finalize_xof().fill(&mut data);
    let parity = code.encode(&data, 256);
    let coefficients = Coefficients::derive(&Digest::of(b"seed"), 256);
    let z = coefficients.combine_rows(&data, 256);
    let expected: Vec<Combined> = data
        .chunks(256)
        .chain(parity.chunks(256))
        .map(|row| coefficients.combine(row))
        .collect();
    assert_eq!(extend(&code, &z), expected);
}
