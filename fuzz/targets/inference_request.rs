//! A request to a model, as JSON or with binary tensors.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for json_bytes in [None, Some(bytes.len() as u64 / 2)] {
        if let Ok((request, _)) = compute::inference::decode("m", "", bytes, json_bytes) {
            let text = request.canonical();
            let (again, _) = compute::inference::decode("m", "", &text, None).expect("canonical text is a request");
            assert_eq!(again.canonical(), text);
        }
        let _ = compute::inference::decode_response(bytes, json_bytes);
    }
});
