//! A request to a model and its answer, as JSON or with binary tensors.
#![no_main]

use compute::inference::{decode, decode_response};

const REQUEST: &[u8] = br#"{"id":"7","parameters":{"a":1,"b":true,"c":"x"},"inputs":[
    {"name":"x","shape":[2,2],"datatype":"FP32","data":[[1.5,-2e-3],[3,4]]},
    {"name":"n","shape":[2],"datatype":"INT64","data":[1,-9007199254740993]},
    {"name":"t","shape":[2],"datatype":"BYTES","data":["a","\u00e9"]}],
    "outputs":[{"name":"y","parameters":{"binary_data":false}}]}"#;

/// The JSON, then the eight bytes of a tensor.
const BINARY_REQUEST: &[u8] =
    b"{\"inputs\":[{\"name\":\"x\",\"shape\":[2],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":8}}]}\0\0\x80\x3f\0\0\0\x40";

const RESPONSE: &[u8] = br#"{"model_name":"m","model_version":"1","id":"7","outputs":[
    {"name":"y","shape":[1,2],"datatype":"FP64","data":[0.1,1e300]},
    {"name":"b","shape":[2],"datatype":"BOOL","data":[true,false]}]}"#;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let json_bytes = |body: &[u8]| {
        [
            None,
            Some(body.len() as u64 / 2),
            Some((body.len() as u64).saturating_sub(8)),
        ]
    };
    let requests = [REQUEST, BINARY_REQUEST].map(|valid| aloft_fuzz::damage(valid, input));
    for body in [input].into_iter().chain(requests.iter().map(Vec::as_slice)) {
        for json_bytes in json_bytes(body) {
            if let Ok((request, _)) = decode("m", "", body, json_bytes) {
                let text = request.canonical();
                let (again, _) = decode("m", "", &text, None).expect("canonical text is a request");
                assert_eq!(again.canonical(), text);
            }
        }
    }
    for body in aloft_fuzz::tries(RESPONSE, input) {
        for json_bytes in json_bytes(&body) {
            if let Ok(response) = decode_response(&body, json_bytes) {
                let text = response.canonical();
                let again = decode_response(&text, None).expect("canonical text is an answer");
                assert_eq!(again.canonical(), text);
            }
        }
    }
});
