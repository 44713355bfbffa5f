//! The suite's files.

use flate2::read::GzDecoder;
use serde_json::Value;
use std::{collections::BTreeMap, io::Read as _, path::Path};

/// The copy in this repository.
const SHIPPED: &str = "tests/vectors/execution-apis.tar.gz";
/// Where a checkout may have another, which is taken if it has more.
const BESIDE: &str = "../../../shared/vectors/execution-apis-tests.tar.gz";
/// Cases of the whole suite.
const CASES: usize = 233;

/// One `.io` file: requests with the answers expected.
#[derive(Debug)]
pub struct Case {
    pub method: String,
    title: String,
    /// Whether only the shape of the answers counts.
    pub shape_only: bool,
    pub exchanges: Vec<(String, Value)>,
}

impl Case {
    pub fn name(&self) -> String {
        format!("{}/{}", self.method, self.title)
    }

    fn read(path: &str, text: &str) -> Option<Self> {
        let (folder, file) = path.rsplit_once('/')?;
        let title = file.strip_suffix(".io")?;
        let method = folder.rsplit('/').next()?;
        let requests = text.lines().filter_map(|line| line.strip_prefix(">> "));
        let answers = text.lines().filter_map(|line| line.strip_prefix("<< "));
        let exchanges: Vec<_> = requests
            .zip(answers)
            .map(|(request, answer)| (request.to_owned(), serde_json::from_str(answer).expect("JSON")))
            .collect();
        Some(Self {
            method: method.to_owned(),
            title: title.to_owned(),
            shape_only: text.lines().any(|line| line.starts_with("// speconly")),
            exchanges,
        })
    }
}

pub struct Suite {
    pub cases: Vec<Case>,
    /// Blocks 1 to the last, one after another in RLP.
    pub chain: Vec<u8>,
    pub genesis: Value,
    /// Whether all cases of the suite are here.
    pub whole: bool,
}

impl Suite {
    pub fn read() -> Self {
        let mut files = files(Path::new(SHIPPED));
        let beside = self::files(Path::new(BESIDE));
        if beside.len() > files.len() {
            println!(
                "the copy of the suite beside the checkout has more: {} files",
                beside.len()
            );
            files.extend(beside);
        }
        let take = |name: &str| files.get(name).unwrap_or_else(|| panic!("{name} is in the suite"));
        let genesis = serde_json::from_slice(take("tests/genesis.json")).expect("JSON");
        let cases: Vec<Case> = files
            .iter()
            .filter_map(|(path, bytes)| Case::read(path, std::str::from_utf8(bytes).ok()?))
            .filter(|case| !case.exchanges.is_empty())
            .collect();
        println!("{} of the suite's {CASES} cases are here", cases.len());
        Self {
            whole: cases.len() >= CASES,
            chain: take("tests/chain.rlp").clone(),
            genesis,
            cases,
        }
    }
}

/// The files of an archive, as far as it can be read.
fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let Ok(file) = std::fs::File::open(path) else {
        return found;
    };
    let mut archive = Vec::new();
    if GzDecoder::new(file).read_to_end(&mut archive).is_err() {
        println!("{} ends early", path.display());
    }
    for entry in tar::Archive::new(archive.as_slice()).entries().expect("tar") {
        let Ok(mut entry) = entry else { break };
        let name = entry.path().expect("a name").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        let size = entry.size();
        if entry.read_to_end(&mut bytes).is_err() || bytes.len() as u64 != size {
            break;
        }
        found.insert(name, bytes);
    }
    found
}
