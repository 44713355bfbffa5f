use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::{Rng, RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// Doubles `x`, and counts its rows: enough of an engine to have a shape, two outputs and two datatypes.
struct Doubler;

impl Engine for Doubler {
    fn metadata(&self) -> ModelMetadata {
        let any_rows = vec![None, Some(2)];
        ModelMetadata {
            name: "doubler".into(),
            version: "1".into(),
            platform: "aloft_test".into(),
            inputs: vec![TensorSpec {
                name: "x".into(),
                datatype: Datatype::Fp32,
                shape: any_rows.clone(),
            }],
            outputs: vec![
                TensorSpec {
                    name: "y".into(),
                    datatype: Datatype::Fp32,
                    shape: any_rows,
                },
                TensorSpec {
                    name: "rows".into(),
                    datatype: Datatype::Int64,
                    shape: vec![Some(1)],
                },
            ],
            root: BlobRoot::from([7; 32]),
            engine: EngineId {
                name: "doubler".into(),
                version: "1".into(),
                numerics: "bit-exact-f32/1".into(),
            },
        }
    }

    fn infer(&self, request: &InferRequest) -> Result<InferResponse, InferError> {
        let x = request.input("x")?;
        let doubled: Vec<f32> = x.to_fp32()?.iter().map(|value| value * 2.0).collect();
        let rows = i64::try_from(request.rows()).expect("a tensor has at most 4 Mi rows");
        Ok(InferResponse {
            model_name: String::new(),
            model_version: String::new(),
            id: String::new(),
            outputs: vec![
                Tensor::fp32("y", x.shape(), &doubled)?,
                Tensor::int64("rows", &[1], &[rows])?,
            ],
        })
    }
}

fn request(json: &str) -> Result<(InferRequest, Delivery), DecodeError> {
    decode("doubler", "", json.as_bytes(), None)
}

const FLAT: &str = r#"{"id":"a","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,0.1,-0.0,1e-7]}]}"#;

/// The golden text: a change of this constant changes every receipt, so it is made on purpose or not at all.
#[test]
fn an_answer_has_one_text() {
    let (request, _) = request(FLAT).unwrap();
    assert_eq!(
        String::from_utf8(request.canonical()).unwrap(),
        r#"{"model_name":"doubler","model_version":"","id":"a","inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1.0,0.1,-0.0,1e-7]}]}"#
    );
    let answer = answer(&Doubler, &request).unwrap();
    assert_eq!(
        String::from_utf8(answer.canonical()).unwrap(),
        r#"{"model_name":"doubler","model_version":"1","id":"a","outputs":[{"name":"y","shape":[2,2],"datatype":"FP32","data":[2.0,0.2,-0.0,2e-7]},{"name":"rows","shape":[1],"datatype":"INT64","data":[2]}]}"#
    );
}

/// However a client sends a request, it is the same request: same text, same hash, same price.
#[test]
fn flat_nested_and_binary_requests_are_equal() {
    let nested = FLAT.replace("[1,0.1,-0.0,1e-7]", "[ [1.0, 1e-1],\n[-0, 0.0000001] ]");
    let (flat, _) = request(FLAT).unwrap();
    assert_eq!(request(&nested).unwrap().0.canonical().len(), flat.canonical().len());
    assert_eq!(request(&nested).unwrap().0, flat);

    let json = FLAT.replace(r#""data":[1,0.1,-0.0,1e-7]"#, r#""parameters":{"binary_data_size":16}"#);
    let mut body = json.clone().into_bytes();
    body.extend([1f32, 0.1, -0.0, 1e-7].iter().flat_map(|value| value.to_le_bytes()));
    assert_eq!(decode("doubler", "", &body, Some(json.len() as u64)).unwrap().0, flat);
}

#[test]
fn a_request_computed_again_from_its_text_gives_the_same_bytes() {
    let (request, _) = request(FLAT).unwrap();
    let answered = answer(&Doubler, &request).unwrap().canonical();
    assert_eq!(reexecute(&Doubler, &request.canonical()).unwrap(), answered);
}

#[test]
fn outputs_come_as_asked_for_and_only_those() {
    let asks = FLAT.replace(
        r#"]}]}"#,
        r#"]}],"outputs":[{"name":"rows","parameters":{"binary_data":true}}]}"#,
    );
    let (request, delivery) = request(&asks).unwrap();
    let answer = answer(&Doubler, &request).unwrap();
    let (body, json_bytes) = encode(&answer, &delivery);
    assert_eq!(&body[json_bytes.unwrap() as usize..], 2i64.to_le_bytes());
    assert_eq!(decode_response(&body, json_bytes).unwrap(), answer);
    assert_eq!(answer.outputs.len(), 1);
}

#[test]
fn binary_for_all_outputs_is_one_parameter_and_no_part_of_the_request() {
    let asks = FLAT.replace(r#""inputs""#, r#""parameters":{"binary_data_output":true},"inputs""#);
    let (asked, delivery) = request(&asks).unwrap();
    assert_eq!(asked, request(FLAT).unwrap().0);
    let (body, json_bytes) = encode(&answer(&Doubler, &asked).unwrap(), &delivery);
    assert_eq!(body.len() as u64 - json_bytes.unwrap(), 4 * 4 + 8);
}

#[test]
fn a_body_that_is_not_a_request_says_why() {
    let tensor = |fields: &str| format!(r#"{{"inputs":[{{"name":"x",{fields}}}]}}"#);
    let text = |json: &str| request(json).unwrap_err().to_string();
    for (json, message) in [
        (
            tensor(r#""shape":[2],"datatype":"FP32","data":[1]"#),
            "tensor x of shape [2] needs 2 elements, has 1",
        ),
        (
            tensor(r#""shape":[1],"datatype":"FP32","data":[1e39]"#),
            "tensor x is not finite at element 0",
        ),
        (
            tensor(r#""shape":[1],"datatype":"INT64","data":[1.5]"#),
            "tensor x holds 1.5, which is not a INT64",
        ),
        (
            tensor(r#""shape":[1],"datatype":"UINT8","data":[256]"#),
            "tensor x holds 256, which is not a UINT8",
        ),
        (
            tensor(r#""shape":[1],"datatype":"FP16","data":[1]"#),
            "tensor x has datatype FP16",
        ),
        (
            tensor(r#""shape":[4294967296,4294967296],"datatype":"FP32","data":[1]"#),
            "is larger than",
        ),
        (
            tensor(r#""shape":[1,1,1,1,1,1,1,1,1],"datatype":"FP32","data":[1]"#),
            "tensor x has 9 dimensions",
        ),
        (
            tensor(r#""shape":[1],"datatype":"FP32""#),
            "neither data nor binary_data_size",
        ),
        (
            tensor(r#""shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}"#),
            "claims 4 bytes, 0 are left",
        ),
        (
            tensor(r#""shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r"}"#),
            "shared memory",
        ),
        (
            r#"{"inputs":[],"model_name":"other"}"#.into(),
            "the body is for model other",
        ),
        ("7".into(), "not a v2 inference message"),
    ] {
        assert!(text(&json).contains(message), "{} does not say: {message}", text(&json));
    }
}

#[test]
fn texts_travel_in_both_forms() {
    let json = r#"{"inputs":[{"name":"t","shape":[2],"datatype":"BYTES","data":["grüß",""]}]}"#;
    let (plain, _) = request(json).unwrap();
    let head = r#"{"inputs":[{"name":"t","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":14}}]}"#;
    let mut body = head.as_bytes().to_vec();
    body.extend(6u32.to_le_bytes());
    body.extend("grüß".as_bytes());
    body.extend(0u32.to_le_bytes());
    let (sent, _) = decode("doubler", "", &body, Some(head.len() as u64)).unwrap();
    assert_eq!(sent, plain);
    assert!(String::from_utf8(plain.canonical()).unwrap().contains(r#"["grüß",""]"#));
}

#[test]
fn what_the_model_does_not_take_is_refused_before_it_runs() {
    let check = |json: &str| {
        check(&Doubler.metadata(), &request(json).unwrap().0)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(check(r#"{"inputs":[]}"#), "input x is missing");
    assert_eq!(
        check(r#"{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#),
        "input x is FP32[1, 3], the model takes x FP32[*,2]"
    );
    assert_eq!(
        check(r#"{"inputs":[{"name":"x","shape":[0,2],"datatype":"FP32","data":[]}]}"#),
        "input x has no rows"
    );
    let with = |extra: &str| FLAT.replace(r#"]}]}"#, &format!("]}}{extra}"));
    assert_eq!(
        check(&with(r#",{"name":"z","shape":[1],"datatype":"BOOL","data":[true]}]}"#)),
        "the model has no input z"
    );
    assert_eq!(
        check(&with(r#"],"outputs":[{"name":"w"}]}"#)),
        "the model has no output w"
    );
    assert_eq!(
        check(&with(r#"],"model_version":"2"}"#)),
        "version 2 is not served: version 1 is"
    );
}

/// Whatever arrives, decoding ends with an error or a request whose text decodes to itself.
#[test]
fn hostile_bodies_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let seeds: Vec<Vec<u8>> = vec![
        FLAT.into(),
        FLAT.replace(r#""data":[1,0.1,-0.0,1e-7]"#, r#""parameters":{"binary_data_size":16}"#)
            .into(),
        r#"{"inputs":[{"name":"t","shape":[1],"datatype":"BYTES","data":[["x"]]}],"parameters":{"a":1.5,"b":true}}"#
            .into(),
    ];
    for _ in 0..20_000 {
        let mut body = seeds.choose(&mut random).unwrap().clone();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..body.len());
            match random.random_range(0..4) {
                0 => body[at] = random.random(),
                1 => body[at] = *br#"0123456789[]{},:"-eE."#.choose(&mut random).unwrap(),
                2 => drop(body.remove(at)),
                _ => body.insert(at, random.random()),
            }
        }
        let json_bytes = random
            .random_bool(0.5)
            .then(|| random.random_range(0..2 * body.len() as u64));
        if let Ok((request, _)) = decode("doubler", "", &body, json_bytes) {
            let again = decode("doubler", "", &request.canonical(), None).unwrap().0;
            assert_eq!(again.canonical(), request.canonical());
        }
        let _ = decode_response(&body, json_bytes);
    }
    let mut noise = vec![0; 4096];
    random.fill_bytes(&mut noise);
    assert!(decode("doubler", "", &noise, Some(u64::MAX)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2), cases: 2000, ..ProptestConfig::default() })]

    /// The text of a float reads back to the same bits: without this, a hash of the text would name no value.
    #[test]
    fn every_finite_float_survives_its_text(bits in any::<u32>(), wide in any::<u64>()) {
        let (single, double) = (f32::from_bits(bits), f64::from_bits(wide));
        prop_assume!(single.is_finite() && double.is_finite());
        let inputs = vec![
            Tensor::fp32("s", &[1], &[single]).unwrap(),
            Tensor::new("d", &[1], Datatype::Fp64, double.to_le_bytes().to_vec()).unwrap(),
        ];
        let request = InferRequest {
            model_name: "doubler".into(), model_version: String::new(), id: String::new(),
            parameters: BTreeMap::new(), inputs, outputs: Vec::new(),
        };
        prop_assert_eq!(decode("doubler", "", &request.canonical(), None).unwrap().0, request);
    }
}
