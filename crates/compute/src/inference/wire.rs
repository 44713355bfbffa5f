//! The two bodies of the Open Inference Protocol: JSON alone, and JSON followed by the tensors' bytes (the binary tensor
//! data extension, which public clients use unless told otherwise).

use super::{
    Datatype, InferRequest, InferResponse, MAX_NAME_BYTES, MAX_PARAMETERS, MAX_TENSORS, Parameter, Tensor, TensorError,
    json,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Why a body is not a request or an answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what its variant and its fields are")]
pub enum DecodeError {
    #[error("the body is not a v2 inference message")]
    Json { source: serde_json::Error },
    #[error("the JSON part has {header_bytes} bytes by its header, the body {body_bytes}")]
    HeaderLength { header_bytes: u64, body_bytes: u64 },
    #[error("{field} has {count} entries: at most {max}")]
    TooMany {
        field: &'static str,
        count: usize,
        max: usize,
    },
    #[error("{field} has {bytes} bytes: at most {MAX_NAME_BYTES}")]
    TooLong { field: &'static str, bytes: usize },
    #[error("{field} names {name} twice")]
    Repeated { field: &'static str, name: String },
    #[error("the body is for model {asked}, the address for {addressed}")]
    WrongModel { asked: String, addressed: String },
    #[error("parameter {name} is not a boolean, a number or a text")]
    Parameter { name: String },
    #[error("tensor {name} has neither data nor binary_data_size")]
    NoData { name: String },
    #[error("tensor {name} has both data and binary_data_size")]
    TwoData { name: String },
    #[error("tensor {name} asks for shared memory, which this server does not have")]
    SharedMemory { name: String },
    #[error("output {name} asks for classification, which this server does not do")]
    Classification { name: String },
    #[error("tensor {name} claims {claimed} bytes, {left} are left in the body")]
    Cut { name: String, claimed: u64, left: u64 },
    #[error("{bytes} bytes follow the last tensor")]
    Trailing { bytes: u64 },
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// Which outputs a client wants as bytes after the JSON. No part of what is computed, paid for or hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    by_default: bool,
    binary: BTreeSet<String>,
    text: BTreeSet<String>,
}

impl Delivery {
    /// Whether the output of that name goes as bytes.
    pub fn is_binary(&self, name: &str) -> bool {
        self.binary.contains(name) || (self.by_default && !self.text.contains(name))
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(default)]
    model_name: String,
    #[serde(default)]
    model_version: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    parameters: BTreeMap<String, serde_json::Value>,
    #[serde(borrow, default)]
    inputs: Vec<WireTensor<'a>>,
    #[serde(borrow, default)]
    outputs: Vec<WireTensor<'a>>,
}

#[derive(Deserialize)]
struct WireTensor<'a> {
    name: String,
    #[serde(default)]
    shape: Vec<u64>,
    #[serde(default)]
    datatype: String,
    #[serde(default)]
    parameters: TensorParameters,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The parameters of a tensor that mean something here; the protocol says to ignore others.
#[derive(Default, Deserialize)]
struct TensorParameters {
    binary_data_size: Option<u64>,
    binary_data: Option<bool>,
    shared_memory_region: Option<String>,
    classification: Option<u64>,
}

/// Reads a request to the model and version of the address.
///
/// `json_bytes` is the `Inference-Header-Content-Length` header: the length of the JSON when bytes follow it. The caller
/// bounds `body`; everything this allocates is in proportion to it.
///
/// # Errors
///
/// [`DecodeError`], never a panic, whatever the bytes.
pub fn decode(
    model_name: &str,
    model_version: &str,
    body: &[u8],
    json_bytes: Option<u64>,
) -> Result<(InferRequest, Delivery), DecodeError> {
    let (message, mut rest) = parse(body, json_bytes)?;
    if !message.model_name.is_empty() && message.model_name != model_name {
        let (asked, addressed) = (message.model_name, model_name.into());
        return Err(DecodeError::WrongModel { asked, addressed });
    }
    at_most("parameters", message.parameters.len(), MAX_PARAMETERS)?;
    at_most("inputs", message.inputs.len(), MAX_TENSORS)?;
    at_most("outputs", message.outputs.len(), MAX_TENSORS)?;
    no_longer("id", &message.id)?;
    no_longer("model_version", &message.model_version)?;

    let mut delivery = Delivery::default();
    let mut parameters = BTreeMap::new();
    for (name, value) in message.parameters {
        no_longer("a parameter's name", &name)?;
        if name == "binary_data_output" {
            delivery.by_default = value.as_bool().ok_or(DecodeError::Parameter { name })?;
            continue;
        }
        let value = parameter(value).ok_or_else(|| DecodeError::Parameter { name: name.clone() })?;
        parameters.insert(name, value);
    }
    let inputs = tensors("inputs", message.inputs, &mut rest)?;
    let mut outputs = Vec::with_capacity(message.outputs.len());
    for output in message.outputs {
        no_longer("an output's name", &output.name)?;
        if output.parameters.shared_memory_region.is_some() {
            return Err(DecodeError::SharedMemory { name: output.name });
        }
        if output.parameters.classification.is_some_and(|classes| classes > 0) {
            return Err(DecodeError::Classification { name: output.name });
        }
        if outputs.contains(&output.name) {
            return Err(DecodeError::Repeated {
                field: "outputs",
                name: output.name,
            });
        }
        match output.parameters.binary_data {
            Some(true) => _ = delivery.binary.insert(output.name.clone()),
            Some(false) => _ = delivery.text.insert(output.name.clone()),
            None => {}
        }
        outputs.push(output.name);
    }
    if !rest.is_empty() {
        return Err(DecodeError::Trailing {
            bytes: rest.len() as u64,
        });
    }
    let model_version = if model_version.is_empty() {
        message.model_version
    } else {
        model_version.into()
    };
    let request = InferRequest {
        model_name: model_name.into(),
        model_version,
        id: message.id,
        parameters,
        inputs,
        outputs,
    };
    Ok((request, delivery))
}

/// Writes an answer. The second value, when there is one, is the length of the JSON that tensors' bytes follow.
pub fn encode(response: &InferResponse, delivery: &Delivery) -> (Vec<u8>, Option<u64>) {
    let mut body = json::response(response, &|name| delivery.is_binary(name)).into_bytes();
    let json_bytes = body.len() as u64;
    let mut any = false;
    for tensor in response
        .outputs
        .iter()
        .filter(|tensor| delivery.is_binary(tensor.name()))
    {
        body.extend_from_slice(tensor.bytes());
        any = true;
    }
    (body, any.then_some(json_bytes))
}

/// Reads an answer in either form; the inverse of [`encode`].
///
/// # Errors
///
/// [`DecodeError`], never a panic, whatever the bytes.
pub fn decode_response(body: &[u8], json_bytes: Option<u64>) -> Result<InferResponse, DecodeError> {
    let (message, mut rest) = parse(body, json_bytes)?;
    at_most("outputs", message.outputs.len(), MAX_TENSORS)?;
    no_longer("id", &message.id)?;
    let outputs = tensors("outputs", message.outputs, &mut rest)?;
    if !rest.is_empty() {
        return Err(DecodeError::Trailing {
            bytes: rest.len() as u64,
        });
    }
    let Body {
        model_name,
        model_version,
        id,
        ..
    } = message;
    Ok(InferResponse {
        model_name,
        model_version,
        id,
        outputs,
    })
}

fn parse(body: &[u8], json_bytes: Option<u64>) -> Result<(Body<'_>, &[u8]), DecodeError> {
    let header_bytes = json_bytes.unwrap_or(body.len() as u64);
    let (text, rest) = usize::try_from(header_bytes)
        .ok()
        .and_then(|length| body.split_at_checked(length))
        .ok_or(DecodeError::HeaderLength {
            header_bytes,
            body_bytes: body.len() as u64,
        })?;
    let message = serde_json::from_slice(text).map_err(|source| DecodeError::Json { source })?;
    Ok((message, rest))
}

fn tensors(field: &'static str, wire: Vec<WireTensor<'_>>, rest: &mut &[u8]) -> Result<Vec<Tensor>, DecodeError> {
    let mut tensors: Vec<Tensor> = Vec::with_capacity(wire.len());
    for tensor in wire {
        let name = tensor.name;
        if tensors.iter().any(|known| known.name() == name) {
            return Err(DecodeError::Repeated { field, name });
        }
        if tensor.parameters.shared_memory_region.is_some() {
            return Err(DecodeError::SharedMemory { name });
        }
        let datatype = Datatype::from_name(&tensor.datatype).ok_or_else(|| TensorError::Datatype {
            name: name.chars().take(MAX_NAME_BYTES).collect(),
            datatype: tensor.datatype.chars().take(16).collect(),
        })?;
        tensors.push(match (tensor.data, tensor.parameters.binary_data_size) {
            (Some(data), None) => Tensor::from_json(&name, &tensor.shape, datatype, data.get())?,
            (None, Some(claimed)) => {
                let left = rest.len() as u64;
                let (bytes, tail) = usize::try_from(claimed)
                    .ok()
                    .and_then(|claimed| rest.split_at_checked(claimed))
                    .ok_or_else(|| DecodeError::Cut {
                        name: name.clone(),
                        claimed,
                        left,
                    })?;
                *rest = tail;
                Tensor::new(&name, &tensor.shape, datatype, bytes.to_vec())?
            }
            (None, None) => return Err(DecodeError::NoData { name }),
            (Some(_), Some(_)) => return Err(DecodeError::TwoData { name }),
        });
    }
    Ok(tensors)
}

fn parameter(value: serde_json::Value) -> Option<Parameter> {
    match value {
        serde_json::Value::Bool(value) => Some(Parameter::Bool(value)),
        serde_json::Value::String(value) => Some(Parameter::Text(value)),
        serde_json::Value::Number(value) => value
            .as_i64()
            .map(Parameter::Integer)
            .or_else(|| value.as_f64().map(Parameter::Number)),
        _ => None,
    }
}

fn at_most(field: &'static str, count: usize, max: usize) -> Result<(), DecodeError> {
    if count > max {
        Err(DecodeError::TooMany { field, count, max })
    } else {
        Ok(())
    }
}

fn no_longer(field: &'static str, text: &str) -> Result<(), DecodeError> {
    if text.len() > MAX_NAME_BYTES {
        Err(DecodeError::TooLong {
            field,
            bytes: text.len(),
        })
    } else {
        Ok(())
    }
}
