//! A pool's scaling, as JSON from the network, and the farm's own file that it is put to.
#![no_main]

use training::table::Scaling;

const SCALING: &str = r#"{"inputs":[
    {"Number":{"column":"a","scale":{"logarithmic":true,"mean":"1.5","deviation":"0.5"}}},
    {"OneHot":{"column":"b","texts":["x","y"]}}],
    "target_column":"y","target":{"logarithmic":false,"mean":"3","deviation":"2"}}"#;

const FARM: &str = "y,a,b\n1,2,x\n2,3e300,z\n3,-1,y\n";

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for text in aloft_fuzz::tries(SCALING.as_bytes(), input) {
        let Ok(scaling) = serde_json::from_slice::<Scaling>(&text) else {
            continue;
        };
        let again = serde_json::to_vec(&scaling).expect("a scaling is JSON");
        assert_eq!(
            serde_json::from_slice::<Scaling>(&again).expect("its own text"),
            scaling
        );
        for csv in aloft_fuzz::tries(FARM.as_bytes(), input) {
            if let Ok(examples) = scaling.read_farm(&csv) {
                assert_eq!(examples.inputs.len(), examples.len() * scaling.width());
            }
        }
    }
});
