//! Networks as safetensors files.
//!
//! `header length (8, little endian) | header (JSON, padded with spaces to 8) | tensors (f32, little endian)`
//!
//! The header names every tensor with its type, shape and place, and `__metadata__` holds what else there is to know:
//! `format`, `version` and the configuration as JSON. Equal networks have equal files. Reading is stricter than the format:
//! the tensors must be exactly those the configuration needs, each place in use once, every number finite.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::config::{MAX_PARAMETERS, MAX_WIDTH, NetworkConfig};
use crate::{Mlp, ModelError, Network, Standardisation, Transformer};

/// What `__metadata__` calls our files.
const FORMAT: &str = "aloft-network";

/// Version of the arithmetic and of the files that need it: a network means the same numbers only under the same version.
const VERSION: &str = "1";

/// Longest header: the 1,028 tensors of the deepest transformer need less than a quarter of it.
pub const MAX_HEADER_BYTES: u64 = 1 << 20;

/// Longest file: every parameter, four rows of standardisation and a header.
pub const MAX_FILE_BYTES: u64 = 8 + MAX_HEADER_BYTES + 4 * (MAX_PARAMETERS as u64 + 4 * MAX_WIDTH as u64);

#[derive(Serialize, Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    tensors: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

impl Network {
    /// The network as a safetensors file.
    pub fn save(&self) -> Vec<u8> {
        let config = serde_json::to_string(&self.config()).expect("a configuration is plain numbers and names");
        let metadata = [("format", FORMAT), ("version", VERSION), ("config", &config)];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let mut data = Vec::with_capacity(4 * self.parameter_count());
        let mut tensors = BTreeMap::new();
        for (name, shape, values) in self.named_tensors() {
            let first = data.len() as u64;
            data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            let shape = shape.iter().map(|&length| length as u64).collect();
            let entry = Entry {
                dtype: "F32".into(),
                shape,
                data_offsets: (first, data.len() as u64),
            };
            tensors.insert(name, entry);
        }
        let mut header =
            serde_json::to_vec(&Header { metadata, tensors }).expect("a header is plain numbers and names");
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header);
        file.extend(data);
        file
    }

    /// Reads a file that [`save`](Self::save) or another writer of safetensors made.
    ///
    /// # Errors
    ///
    /// Any way in which the file is too long, cut short, not a network of ours, or holds other tensors than its configuration
    /// needs; [`ModelError::Value`] when a number is not finite.
    pub fn load(file: &[u8]) -> Result<Self, ModelError> {
        let (header, data) = split(file)?;
        let header: Header =
            serde_json::from_slice(header).map_err(|source| ModelError::Json { part: "header", source })?;
        for (key, expected) in [("format", FORMAT), ("version", VERSION)] {
            let value = header.metadata.get(key);
            if value.is_none_or(|value| value != expected) {
                return Err(ModelError::Metadata {
                    key,
                    value: value.cloned(),
                });
            }
        }
        let config = header.metadata.get("config").ok_or(ModelError::Metadata {
            key: "config",
            value: None,
        })?;
        let config: NetworkConfig = serde_json::from_str(config).map_err(|source| ModelError::Json {
            part: "configuration",
            source,
        })?;
        config.check()?;
        let mut reader = Reader {
            tensors: header.tensors,
            data,
            used: Vec::new(),
        };
        // The parameters the configuration asks for are in the file before memory for them is taken.
        config.expect_data(data.len() as u64)?;
        let mut network = match config {
            NetworkConfig::Transformer(config) => Network::Transformer(Transformer::new(config, 0)?),
            NetworkConfig::Mlp(config) => {
                let (inputs, outputs) = (config.inputs as usize, config.outputs as usize);
                let standardisation = Standardisation {
                    input_mean: reader.take("input.mean", &[inputs])?,
                    input_scale: reader.take("input.scale", &[inputs])?,
                    target_mean: reader.take("target.mean", &[outputs])?,
                    target_scale: reader.take("target.scale", &[outputs])?,
                };
                Network::Mlp(Mlp::new(config, standardisation, 0)?)
            }
        };
        let (layout, parameters) = network.layout_and_parameters_mut();
        for tensor in layout.tensors() {
            parameters[tensor.range.clone()].copy_from_slice(&reader.take(&tensor.name, &tensor.shape)?);
        }
        reader.finish()?;
        Ok(network)
    }

    /// Every tensor of the file, constants first, with its shape and values.
    fn named_tensors(&self) -> Vec<(String, Vec<usize>, &[f32])> {
        let mut tensors = Vec::new();
        if let Network::Mlp(mlp) = self {
            let Standardisation {
                input_mean,
                input_scale,
                target_mean,
                target_scale,
            } = mlp.standardisation();
            for (name, values) in [
                ("input.mean", input_mean),
                ("input.scale", input_scale),
                ("target.mean", target_mean),
                ("target.scale", target_scale),
            ] {
                tensors.push((name.to_owned(), vec![values.len()], values.as_slice()));
            }
        }
        let parameters = self.parameters();
        tensors.extend(self.layout().tensors().iter().map(|tensor| {
            (
                tensor.name.clone(),
                tensor.shape.clone(),
                &parameters[tensor.range.clone()],
            )
        }));
        tensors
    }
}

impl NetworkConfig {
    fn check(&self) -> Result<(), ModelError> {
        match self {
            Self::Mlp(config) => config.check(),
            Self::Transformer(config) => config.check(),
        }
    }

    /// Refuses data that is not exactly as long as the tensors of a checked configuration.
    fn expect_data(&self, actual: u64) -> Result<(), ModelError> {
        let values = match self {
            Self::Mlp(config) => config.parameter_count() + 2 * (u64::from(config.inputs) + u64::from(config.outputs)),
            Self::Transformer(config) => config.parameter_count(),
        };
        if 4 * values == actual {
            Ok(())
        } else {
            Err(ModelError::Truncated {
                actual,
                expected: 4 * values,
            })
        }
    }
}

/// Parts header and data.
fn split(file: &[u8]) -> Result<(&[u8], &[u8]), ModelError> {
    let actual = file.len() as u64;
    if actual > MAX_FILE_BYTES {
        return Err(ModelError::TooLarge {
            part: "file",
            actual,
            max: MAX_FILE_BYTES,
        });
    }
    let (length, rest) = file
        .split_first_chunk::<8>()
        .ok_or(ModelError::Truncated { actual, expected: 8 })?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_BYTES {
        return Err(ModelError::TooLarge {
            part: "header",
            actual: length,
            max: MAX_HEADER_BYTES,
        });
    }
    // At most 2^20, so a usize.
    rest.split_at_checked(length as usize).ok_or(ModelError::Truncated {
        actual,
        expected: 8 + length,
    })
}

/// Hands out a file's tensors by name.
struct Reader<'a> {
    tensors: BTreeMap<String, Entry>,
    data: &'a [u8],
    used: Vec<Range<usize>>,
}

impl Reader<'_> {
    /// The tensor `name`, which must be finite and have exactly this shape.
    fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let refused = || ModelError::Tensor { name: name.to_owned() };
        let entry = self.tensors.remove(name).ok_or_else(refused)?;
        let same_shape = entry
            .shape
            .iter()
            .copied()
            .eq(shape.iter().map(|&length| length as u64));
        let (start, end) = entry.data_offsets;
        // A checked configuration's tensor has at most 2^28 values.
        let bytes = 4 * shape.iter().product::<usize>() as u64;
        if entry.dtype != "F32" || !same_shape || start.checked_add(bytes) != Some(end) {
            return Err(refused());
        }
        if end > self.data.len() as u64 {
            return Err(refused());
        }
        let range = start as usize..end as usize;
        let (values, _) = self.data[range.clone()].as_chunks::<4>();
        let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        crate::examples::expect_finite("tensor", &values)?;
        self.used.push(range);
        Ok(values)
    }

    /// Refuses tensors left over, and data no tensor or more than one tensor used.
    fn finish(mut self) -> Result<(), ModelError> {
        if let Some(name) = self.tensors.into_keys().next() {
            return Err(ModelError::Tensor { name });
        }
        self.used.sort_by_key(|range| range.start);
        let mut end = 0;
        for range in self.used {
            if range.start != end {
                return Err(ModelError::Truncated {
                    actual: self.data.len() as u64,
                    expected: range.start as u64,
                });
            }
            end = range.end;
        }
        match end == self.data.len() {
            true => Ok(()),
            false => Err(ModelError::Truncated {
                actual: self.data.len() as u64,
                expected: end as u64,
            }),
        }
    }
}
