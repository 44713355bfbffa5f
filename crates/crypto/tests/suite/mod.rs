//! Reads a conformance suite: an archive of small YAML files, all of one shape, of which a full reader is not needed.

use primitives::hex;
use std::{collections::HashMap, io::Read, path::Path, sync::LazyLock};

/// A suite's archive, unpacked in memory.
pub struct Suite {
    archive: Vec<u8>,
    whole: bool,
}

/// One file of a suite.
pub struct Case {
    /// Path in the archive.
    pub name: String,
    pub text: Text,
}

/// The words after each key of a file, whatever its nesting: no key occurs twice in these suites.
#[derive(PartialEq, Eq)]
pub struct Text(HashMap<String, Vec<String>>);

impl Suite {
    /// `bls12-381-tests`, or nothing where it is absent.
    pub fn bls() -> Option<Self> {
        let mut archive = Vec::new();
        flate2::read::GzDecoder::new(&read("bls-tests.tar.gz")?[..])
            .read_to_end(&mut archive)
            .unwrap();
        Some(Self { archive, whole: true })
    }

    /// The KZG part of `consensus-spec-tests`, as c-kzg-4844 has it: whole, or what ships of it where it is absent.
    pub fn kzg() -> &'static Self {
        static WHOLE: LazyLock<Option<Suite>> = LazyLock::new(|| Some(Suite::of_xz(&read("kzg-tests.tar.xz")?, true)));
        WHOLE.as_ref().unwrap_or_else(|| Self::shipped_kzg())
    }

    /// What ships of the KZG suite: all but what depends on its two incompressible blobs and on the extension of a third.
    pub fn shipped_kzg() -> &'static Self {
        static SHIPPED: LazyLock<Suite> =
            LazyLock::new(|| Suite::of_xz(include_bytes!("../vectors/kzg-tests.tar.xz"), false));
        &SHIPPED
    }

    fn of_xz(mut bytes: &[u8], whole: bool) -> Self {
        let mut archive = Vec::new();
        lzma_rs::xz_decompress(&mut bytes, &mut archive).unwrap();
        Self { archive, whole }
    }

    /// Whether this is all of the suite.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Every YAML file.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for entry in tar::Archive::new(&self.archive[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            if name.ends_with(".yaml") {
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                cases.push(Case {
                    name,
                    text: Text::new(&text),
                });
            }
        }
        cases
    }
}

fn read(file: &str) -> Option<Vec<u8>> {
    let path = Path::new("../../../shared/vectors").join(file);
    let bytes = std::fs::read(path).ok();
    if bytes.is_none() {
        println!("skipped: {file} is not in ../shared/vectors");
    }
    bytes
}

impl Text {
    fn new(text: &str) -> Self {
        let mut fields: HashMap<String, Vec<String>> = HashMap::new();
        let mut key = String::new();
        for word in text
            .split(|c: char| c.is_whitespace() || "[]{},'\"".contains(c))
            .filter(|word| !matches!(*word, "" | "-"))
        {
            match word.strip_suffix(':') {
                Some(name) => key = name.to_owned(),
                None => fields.entry(key.clone()).or_default().push(word.to_owned()),
            }
        }
        Self(fields)
    }

    /// The words of a list; none when the key is absent.
    pub fn all(&self, key: &str) -> Vec<String> {
        self.0.get(key).cloned().unwrap_or_default()
    }

    /// The only word of a key; empty when there is none.
    pub fn one(&self, key: &str) -> String {
        self.all(key).first().cloned().unwrap_or_default()
    }

    /// `true`, `false`, or `None` for null.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.one(key).parse().ok()
    }

    /// Bytes of any number.
    pub fn any_bytes(&self, key: &str) -> Vec<u8> {
        hex::decode(self.one(key)).unwrap_or_default()
    }

    /// `N` bytes, or how many there are instead.
    pub fn bytes<const N: usize>(&self, key: &str) -> Result<[u8; N], usize> {
        self.any_bytes(key).try_into().map_err(|bytes: Vec<u8>| bytes.len())
    }

    /// Every word of a list as `N` bytes; `None` when one has another length.
    pub fn all_bytes<const N: usize>(&self, key: &str) -> Option<Vec<[u8; N]>> {
        self.all(key)
            .iter()
            .map(|word| hex::decode(word).ok()?.try_into().ok())
            .collect()
    }

    /// The output: bytes in order, one byte for a verdict, or `None` for null.
    pub fn output(&self) -> Option<Vec<Vec<u8>>> {
        self.all("output")
            .iter()
            .map(|word| match word.as_str() {
                "null" => None,
                "true" => Some(vec![1]),
                "false" => Some(vec![0]),
                word => Some(hex::decode(word).unwrap()),
            })
            .collect()
    }

    /// Bytes, or `None` for null.
    pub fn optional_bytes(&self, key: &str) -> Option<Vec<u8>> {
        hex::decode(self.one(key)).ok()
    }
}
