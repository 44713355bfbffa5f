//! Named tensors: a shape, a datatype, and row-major little-endian bytes.
//!
//! One representation for both wire forms of the Open Inference Protocol, so that a request sent as JSON and the same
//! request sent as binary are equal, print equal and hash equal.

use std::fmt::Write as _;

/// Dimensions of one tensor, at most. Real models use four or five.
pub const MAX_RANK: usize = 8;
/// Elements of one tensor, at most: 4 Mi, 16 MiB of `FP32`, above any request body we accept.
pub const MAX_ELEMENTS: u64 = 1 << 22;
/// Bytes of a tensor's, a model's or a parameter's name, at most.
pub const MAX_NAME_BYTES: usize = 256;

/// What the elements of a tensor are, as the Open Inference Protocol names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datatype {
    /// One byte, 0 or 1.
    Bool,
    /// 8-bit unsigned.
    Uint8,
    /// 16-bit unsigned.
    Uint16,
    /// 32-bit unsigned.
    Uint32,
    /// 64-bit unsigned.
    Uint64,
    /// 8-bit signed.
    Int8,
    /// 16-bit signed.
    Int16,
    /// 32-bit signed.
    Int32,
    /// 64-bit signed.
    Int64,
    /// IEEE 754 single precision.
    Fp32,
    /// IEEE 754 double precision.
    Fp64,
    /// UTF-8 text: each element is a 4-byte little-endian length and that many bytes.
    Bytes,
}

impl Datatype {
    const NAMES: [(Datatype, &'static str); 12] = [
        (Datatype::Bool, "BOOL"),
        (Datatype::Uint8, "UINT8"),
        (Datatype::Uint16, "UINT16"),
        (Datatype::Uint32, "UINT32"),
        (Datatype::Uint64, "UINT64"),
        (Datatype::Int8, "INT8"),
        (Datatype::Int16, "INT16"),
        (Datatype::Int32, "INT32"),
        (Datatype::Int64, "INT64"),
        (Datatype::Fp32, "FP32"),
        (Datatype::Fp64, "FP64"),
        (Datatype::Bytes, "BYTES"),
    ];

    /// The protocol's name: `FP32`.
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(datatype, _)| *datatype == self)
            .expect("every datatype is in the table")
            .1
    }

    /// The datatype of that name; `None` for one we do not speak (`FP16`, `BF16`) or that does not exist.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(datatype, _)| *datatype)
    }

    /// Bytes of one element; `None` for [`Datatype::Bytes`], whose elements carry their own length.
    pub fn width(self) -> Option<usize> {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => Some(1),
            Self::Uint16 | Self::Int16 => Some(2),
            Self::Uint32 | Self::Int32 | Self::Fp32 => Some(4),
            Self::Uint64 | Self::Int64 | Self::Fp64 => Some(8),
            Self::Bytes => None,
        }
    }
}

/// Why bytes or text are not the tensor they claim to be.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what its variant and its fields are")]
pub enum TensorError {
    #[error("tensor name has {bytes} bytes: it must have 1 to {MAX_NAME_BYTES}")]
    Name { bytes: usize },
    #[error("tensor {name} has {rank} dimensions: at most {MAX_RANK}")]
    Rank { name: String, rank: usize },
    #[error("tensor {name} of shape {shape:?} is larger than {MAX_ELEMENTS} elements")]
    TooLarge { name: String, shape: Vec<u64> },
    #[error("tensor {name} of shape {shape:?} needs {expected} elements, has {got}")]
    Count {
        name: String,
        shape: Vec<u64>,
        expected: u64,
        got: u64,
    },
    #[error("tensor {name} has datatype {datatype}: we speak BOOL, [U]INT8 to 64, FP32, FP64 and BYTES")]
    Datatype { name: String, datatype: String },
    #[error("tensor {name} holds {got}, which is not a {datatype}")]
    Value {
        name: String,
        got: String,
        datatype: &'static str,
    },
    #[error("tensor {name} is not finite at element {index}: JSON cannot carry NaN or infinity")]
    NotFinite { name: String, index: usize },
    #[error("tensor {name} is {actual}, asked for as {wanted}")]
    WrongType {
        name: String,
        actual: &'static str,
        wanted: &'static str,
    },
}

/// A named array. Its fields agree with each other: a `Tensor` that exists has the bytes its shape and datatype ask for, and
/// its floats are finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    name: String,
    shape: Vec<u64>,
    datatype: Datatype,
    bytes: Vec<u8>,
}

impl Tensor {
    /// A tensor over `bytes`, row-major, little-endian.
    ///
    /// # Errors
    ///
    /// [`TensorError`] when name, shape, datatype and bytes do not agree, or a float is not finite.
    pub fn new(name: &str, shape: &[u64], datatype: Datatype, bytes: Vec<u8>) -> Result<Self, TensorError> {
        let expected = element_count(name, shape)?;
        let wrong_count = |got: u64| TensorError::Count {
            name: name.into(),
            shape: shape.to_vec(),
            expected,
            got,
        };
        let wrong_value = |got: &dyn std::fmt::Display| TensorError::Value {
            name: name.into(),
            got: got.to_string(),
            datatype: datatype.name(),
        };
        match datatype.width() {
            Some(width) if bytes.len() as u64 != expected * width as u64 => {
                return Err(wrong_count(bytes.len() as u64 / width as u64));
            }
            Some(_) => {}
            None => {
                let got = texts(&bytes).try_fold(0u64, |count, text| text.map(|_| count + 1));
                match got {
                    Some(got) if got == expected => {}
                    Some(got) => return Err(wrong_count(got)),
                    None => return Err(wrong_value(&"a cut or non-UTF-8 element")),
                }
            }
        }
        let not_finite = match datatype {
            Datatype::Fp32 => lanes(&bytes).position(|lane| !f32::from_le_bytes(lane).is_finite()),
            Datatype::Fp64 => lanes(&bytes).position(|lane| !f64::from_le_bytes(lane).is_finite()),
            Datatype::Bool => {
                if let Some(byte) = bytes.iter().find(|byte| **byte > 1) {
                    return Err(wrong_value(byte));
                }
                None
            }
            _ => None,
        };
        if let Some(index) = not_finite {
            return Err(TensorError::NotFinite {
                name: name.into(),
                index,
            });
        }
        Ok(Self {
            name: name.into(),
            shape: shape.to_vec(),
            datatype,
            bytes,
        })
    }

    /// An `FP32` tensor of `values`, row-major.
    ///
    /// # Errors
    ///
    /// As [`Tensor::new`].
    pub fn fp32(name: &str, shape: &[u64], values: &[f32]) -> Result<Self, TensorError> {
        Self::new(
            name,
            shape,
            Datatype::Fp32,
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        )
    }

    /// An `INT64` tensor of `values`, row-major.
    ///
    /// # Errors
    ///
    /// As [`Tensor::new`].
    pub fn int64(name: &str, shape: &[u64], values: &[i64]) -> Result<Self, TensorError> {
        Self::new(
            name,
            shape,
            Datatype::Int64,
            values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        )
    }

    /// A tensor read from the text of a JSON array, flat or nested, whose elements are in row-major order.
    ///
    /// `json` must be well-formed JSON: the numbers in it are read by the standard library, correctly rounded, straight
    /// into the datatype, so an `FP32` never passes through a double.
    ///
    /// # Errors
    ///
    /// [`TensorError`] as [`Tensor::new`], or [`TensorError::Value`] for an element that is not of the datatype.
    pub fn from_json(name: &str, shape: &[u64], datatype: Datatype, json: &str) -> Result<Self, TensorError> {
        let expected = element_count(name, shape)?;
        let wrong = |got: &str| TensorError::Value {
            name: name.into(),
            got: got.chars().take(40).collect(),
            datatype: datatype.name(),
        };
        // Each element takes two characters at least, so a short body with a large shape reserves little.
        let elements = (expected as usize).min(json.len() / 2 + 1);
        let mut bytes = Vec::with_capacity(elements * datatype.width().unwrap_or(8));
        if datatype == Datatype::Bytes {
            let nested: Nested = serde_json::from_str(json).map_err(|_| wrong(json))?;
            nested.write(&mut bytes);
        } else {
            if !json.starts_with('[') {
                return Err(wrong(json));
            }
            let separator = |c: char| matches!(c, '[' | ']' | ',') || c.is_ascii_whitespace();
            for token in json.split(separator).filter(|token| !token.is_empty()) {
                push_number(datatype, token, &mut bytes).ok_or_else(|| wrong(token))?;
            }
        }
        Self::new(name, shape, datatype, bytes)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its dimensions, outermost first.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// What its elements are.
    pub fn datatype(&self) -> Datatype {
        self.datatype
    }

    /// Its elements, row-major, little-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its elements, when they are `FP32`.
    ///
    /// # Errors
    ///
    /// [`TensorError::WrongType`] when they are not.
    pub fn to_fp32(&self) -> Result<Vec<f32>, TensorError> {
        self.expect(Datatype::Fp32)?;
        Ok(lanes(&self.bytes).map(f32::from_le_bytes).collect())
    }

    /// Its elements, when they are `INT64`.
    ///
    /// # Errors
    ///
    /// [`TensorError::WrongType`] when they are not.
    pub fn to_int64(&self) -> Result<Vec<i64>, TensorError> {
        self.expect(Datatype::Int64)?;
        Ok(lanes(&self.bytes).map(i64::from_le_bytes).collect())
    }

    fn expect(&self, wanted: Datatype) -> Result<(), TensorError> {
        if self.datatype == wanted {
            return Ok(());
        }
        Err(TensorError::WrongType {
            name: self.name.clone(),
            actual: self.datatype.name(),
            wanted: wanted.name(),
        })
    }

    /// Appends the elements as a flat JSON array: floats in the shortest digits that read back to the same bits.
    pub(super) fn write_json_data(&self, out: &mut String) {
        fn list<T>(out: &mut String, items: impl Iterator<Item = T>, mut item: impl FnMut(&mut String, T)) {
            out.push('[');
            for (index, value) in items.enumerate() {
                if index > 0 {
                    out.push(',');
                }
                item(out, value);
            }
            out.push(']');
        }
        // `{:?}` of a float keeps a point or an exponent (`1.0`, `1e-7`), is the shortest that round-trips, and is JSON.
        macro_rules! numbers {
            ($kind:ty) => {
                list(out, lanes(&self.bytes), |out, lane| {
                    write!(out, "{:?}", <$kind>::from_le_bytes(lane)).expect("a string takes any text")
                })
            };
        }
        match self.datatype {
            Datatype::Bool => list(out, self.bytes.iter(), |out, byte| {
                out.push_str(if *byte == 1 { "true" } else { "false" })
            }),
            Datatype::Uint8 => numbers!(u8),
            Datatype::Uint16 => numbers!(u16),
            Datatype::Uint32 => numbers!(u32),
            Datatype::Uint64 => numbers!(u64),
            Datatype::Int8 => numbers!(i8),
            Datatype::Int16 => numbers!(i16),
            Datatype::Int32 => numbers!(i32),
            Datatype::Int64 => numbers!(i64),
            Datatype::Fp32 => numbers!(f32),
            Datatype::Fp64 => numbers!(f64),
            Datatype::Bytes => list(out, texts(&self.bytes), |out, text| {
                super::json::push_text(out, text.expect("a tensor's texts were checked when it was made"));
            }),
        }
    }
}

/// Elements of a tensor of that name and shape; a tensor without dimensions has one.
fn element_count(name: &str, shape: &[u64]) -> Result<u64, TensorError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        return Err(TensorError::Name { bytes: name.len() });
    }
    if shape.len() > MAX_RANK {
        return Err(TensorError::Rank {
            name: name.into(),
            rank: shape.len(),
        });
    }
    shape
        .iter()
        .try_fold(1u64, |count, side| count.checked_mul(*side))
        .filter(|count| *count <= MAX_ELEMENTS)
        .ok_or_else(|| TensorError::TooLarge {
            name: name.into(),
            shape: shape.to_vec(),
        })
}

/// Appends one JSON number or boolean as `datatype`; `None` when it is not one.
fn push_number(datatype: Datatype, token: &str, bytes: &mut Vec<u8>) -> Option<()> {
    macro_rules! push {
        ($kind:ty) => {
            bytes.extend_from_slice(&token.parse::<$kind>().ok()?.to_le_bytes())
        };
    }
    match datatype {
        Datatype::Bool => bytes.push(u8::from(token.parse::<bool>().ok()?)),
        Datatype::Uint8 => push!(u8),
        Datatype::Uint16 => push!(u16),
        Datatype::Uint32 => push!(u32),
        Datatype::Uint64 => push!(u64),
        Datatype::Int8 => push!(i8),
        Datatype::Int16 => push!(i16),
        Datatype::Int32 => push!(i32),
        Datatype::Int64 => push!(i64),
        Datatype::Fp32 => push!(f32),
        Datatype::Fp64 => push!(f64),
        Datatype::Bytes => return None,
    }
    Some(())
}

/// Consecutive elements of `N` bytes.
fn lanes<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes
        .chunks_exact(N)
        .map(|chunk| chunk.try_into().expect("chunks have N bytes"))
}

/// The length-prefixed texts in `bytes`; ends with a `None` at the first that is cut or not UTF-8.
fn texts(bytes: &[u8]) -> impl Iterator<Item = Option<&str>> {
    let mut rest = bytes;
    let mut broken = false;
    std::iter::from_fn(move || {
        if rest.is_empty() || broken {
            return None;
        }
        let text = rest.split_first_chunk().and_then(|(length, tail)| {
            let (text, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = tail;
            std::str::from_utf8(text).ok()
        });
        broken = text.is_none();
        Some(text)
    })
}

/// Texts in a JSON array, flat or nested.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Nested {
    Text(String),
    List(Vec<Nested>),
}

impl Nested {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                let length = u32::try_from(text.len()).expect("a request body is far below 4 GiB");
                bytes.extend_from_slice(&length.to_le_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            Self::List(list) => list.iter().for_each(|nested| nested.write(bytes)),
        }
    }
}
