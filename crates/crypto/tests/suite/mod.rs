//! Reads a conformance suite: an archive of small YAML files, all of one shape, of which a full reader is not needed.

use primitives::hex;
use std::{collections::HashMap, io::Read, path::PathBuf};

/// A suite's archive, unpacked in memory.
pub struct Suite(Vec<u8>);

/// One file of a suite.
pub struct Case {
    /// Path in the archive.
    pub name: String,
    pub text: Text,
}

/// The words after each key of a file, whatever its nesting: no key occurs twice in these suites.
pub struct Text(HashMap<String, Vec<String>>);

impl Suite {
    /// `bls12-381-tests`, or nothing where it is absent.
    pub fn bls() -> Option<Self> {
        let mut archive = Vec::new();
        flate2::read::GzDecoder::new(&read("bls-tests.tar.gz")?[..])
            .read_to_end(&mut archive)
            .unwrap();
        Some(Self(archive))
    }

    /// The KZG part of `consensus-spec-tests`, or nothing where it is absent.
    pub fn kzg() -> Option<Self> {
        let mut archive = Vec::new();
        lzma_rs::xz_decompress(&mut &read("kzg-tests.tar.xz")?[..], &mut archive).unwrap();
        Some(Self(archive))
    }

    /// Every YAML file.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for entry in tar::Archive::new(&self.0[..]).entries().unwrap() {
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
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/vectors")
        .join(file);
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
            .filter(|word| !word.is_empty())
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

    /// Bytes, or `None` for null.
    pub fn optional_bytes(&self, key: &str) -> Option<Vec<u8>> {
        hex::decode(self.one(key)).ok()
    }
}
