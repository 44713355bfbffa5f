//! Requests to models and their answers: the Open Inference Protocol v2, without its transport.
//!
//! An [`Engine`] computes; [`answer`] wraps it in the checks that make wrong shapes unsayable; [`reexecute`] does the same
//! from the canonical text alone, which is how an answer is verified later, bit for bit. See docs/spec/serving.md.

mod json;
mod tensor;
#[cfg(test)]
mod tests;
mod wire;

pub use tensor::{Datatype, MAX_ELEMENTS, MAX_NAME_BYTES, MAX_RANK, Tensor, TensorError};
pub use wire::{DecodeError, Delivery, decode, decode_response, encode};

use primitives::BlobRoot;
use std::collections::BTreeMap;

/// Tensors of a request or an answer, at most.
pub const MAX_TENSORS: usize = 64;
/// Parameters of a request, at most.
pub const MAX_PARAMETERS: usize = 64;

/// A value beside the tensors: what a client asks the engine for by name.
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A finite number that is not whole.
    Number(f64),
    /// Text.
    Text(String),
}

/// What a client asks of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct InferRequest {
    /// The model's name.
    pub model_name: String,
    /// Its version; empty means whichever the server serves.
    pub model_version: String,
    /// The client's own name for the request, given back with the answer; may be empty.
    pub id: String,
    /// Values beside the tensors.
    pub parameters: BTreeMap<String, Parameter>,
    /// The inputs.
    pub inputs: Vec<Tensor>,
    /// Outputs wanted, in this order; empty means all the model has.
    pub outputs: Vec<String>,
}

impl InferRequest {
    /// The canonical text: equal requests have equal text, however they were sent. This is what a receipt commits to.
    pub fn canonical(&self) -> Vec<u8> {
        json::request(self).into_bytes()
    }

    /// The input of that name.
    ///
    /// # Errors
    ///
    /// [`InferError::MissingInput`] when there is none.
    pub fn input(&self, name: &str) -> Result<&Tensor, InferError> {
        let found = self.inputs.iter().find(|tensor| tensor.name() == name);
        found.ok_or_else(|| InferError::MissingInput { name: name.into() })
    }

    /// Rows asked for, which is what is paid for: the first dimension of the first input, 1 when it has none.
    pub fn rows(&self) -> u64 {
        self.inputs
            .first()
            .and_then(|tensor| tensor.shape().first().copied())
            .unwrap_or(1)
    }
}

/// What a model answers.
#[derive(Clone, Debug, PartialEq)]
pub struct InferResponse {
    /// The model's name.
    pub model_name: String,
    /// The version that answered.
    pub model_version: String,
    /// The request's id, or empty.
    pub id: String,
    /// The outputs.
    pub outputs: Vec<Tensor>,
}

impl InferResponse {
    /// The canonical text, which is also the body a JSON client receives.
    pub fn canonical(&self) -> Vec<u8> {
        json::response(self, &|_| false).into_bytes()
    }
}

/// A tensor a model takes or gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name.
    pub name: String,
    /// What its elements are.
    pub datatype: Datatype,
    /// Its dimensions; `None` where any size will do, such as the number of rows.
    pub shape: Vec<Option<u64>>,
}

impl TensorSpec {
    fn admits(&self, tensor: &Tensor) -> bool {
        self.datatype == tensor.datatype()
            && self.shape.len() == tensor.shape().len()
            && self
                .shape
                .iter()
                .zip(tensor.shape())
                .all(|(wanted, side)| wanted.is_none_or(|wanted| wanted == *side))
    }
}

impl std::fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}[", self.name, self.datatype.name())?;
        for (index, side) in self.shape.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match side {
                Some(side) => write!(f, "{comma}{side}")?,
                None => write!(f, "{comma}*")?,
            }
        }
        f.write_str("]")
    }
}

/// Which program computes, so that someone else can compute the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineId {
    /// The program: `aloft-model`.
    pub name: String,
    /// Its version: `0.1.0`.
    pub version: String,
    /// The arithmetic it promises: `bit-exact-f32/1` means the same bits on every CPU.
    pub numerics: String,
}

/// What is served and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelMetadata {
    /// Its name, as in the URL.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its form, in the Open Inference Protocol's words: `aloft_mlp`.
    pub platform: String,
    /// What it takes.
    pub inputs: Vec<TensorSpec>,
    /// What it gives.
    pub outputs: Vec<TensorSpec>,
    /// The blob its weights are published as.
    pub root: BlobRoot,
    /// The program that runs it.
    pub engine: EngineId,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message says what its variant and its fields are")]
pub enum InferError {
    #[error("input {name} is missing")]
    MissingInput { name: String },
    #[error("input {name} is {got}, the model takes {wanted}")]
    WrongInput { name: String, got: String, wanted: String },
    #[error("the model has no input {name}")]
    UnknownInput { name: String },
    #[error("the model has no output {name}")]
    UnknownOutput { name: String },
    #[error("input {name} has no rows")]
    NoRows { name: String },
    #[error("version {asked} is not served: version {served} is")]
    WrongVersion { asked: String, served: String },
    #[error("the model cannot answer this request: {reason}")]
    Refused { reason: String },
    #[error("the engine failed: {reason}")]
    Failed { reason: String },
}

impl InferError {
    /// Whether the request is at fault (`false`: the engine is).
    pub fn is_requests_fault(&self) -> bool {
        !matches!(self, Self::Failed { .. })
    }
}

impl From<TensorError> for InferError {
    /// An engine that cannot make its own output tensor has failed, whatever the input was.
    fn from(error: TensorError) -> Self {
        Self::Failed {
            reason: error.to_string(),
        }
    }
}

/// Something that computes answers: the same request gives the same bits, always.
pub trait Engine: Send + Sync + 'static {
    /// What is served and by what; constant for the life of the engine.
    fn metadata(&self) -> ModelMetadata;

    /// Computes the answer to a request that [`check`] accepted. Blocks; called from many threads at once.
    ///
    /// # Errors
    ///
    /// [`InferError::Refused`] for inputs the model has no answer to, [`InferError::Failed`] for a fault of its own.
    fn infer(&self, request: &InferRequest) -> Result<InferResponse, InferError>;
}

/// Checks that `request` is one the model takes: its version, every input present with its type and shape, no other, and
/// wanted outputs that exist.
///
/// # Errors
///
/// The first [`InferError`] found, in the order of the model's own inputs.
pub fn check(metadata: &ModelMetadata, request: &InferRequest) -> Result<(), InferError> {
    if !request.model_version.is_empty() && request.model_version != metadata.version {
        let (asked, served) = (request.model_version.clone(), metadata.version.clone());
        return Err(InferError::WrongVersion { asked, served });
    }
    for spec in &metadata.inputs {
        let tensor = request.input(&spec.name)?;
        if !spec.admits(tensor) {
            let got = format!("{}{:?}", tensor.datatype().name(), tensor.shape());
            return Err(InferError::WrongInput {
                name: spec.name.clone(),
                got,
                wanted: spec.to_string(),
            });
        }
        if tensor.shape().contains(&0) {
            return Err(InferError::NoRows {
                name: spec.name.clone(),
            });
        }
    }
    if let Some(extra) = request
        .inputs
        .iter()
        .find(|tensor| !metadata.inputs.iter().any(|spec| spec.name == tensor.name()))
    {
        return Err(InferError::UnknownInput {
            name: extra.name().into(),
        });
    }
    if let Some(name) = request
        .outputs
        .iter()
        .find(|name| !metadata.outputs.iter().any(|spec| spec.name == **name))
    {
        return Err(InferError::UnknownOutput { name: name.clone() });
    }
    Ok(())
}

/// Computes the answer to `request`: checked, filtered to the outputs wanted, labelled with model, version and id.
///
/// # Errors
///
/// As [`check`]; what the engine returns; [`InferError::Failed`] when the engine's own output is not what it declared.
pub fn answer(engine: &dyn Engine, request: &InferRequest) -> Result<InferResponse, InferError> {
    let metadata = engine.metadata();
    check(&metadata, request)?;
    let mut response = engine.infer(request)?;
    for spec in &metadata.outputs {
        if !response
            .outputs
            .iter()
            .any(|tensor| tensor.name() == spec.name && spec.admits(tensor))
        {
            return Err(InferError::Failed {
                reason: format!("it did not give {spec}"),
            });
        }
    }
    if !request.outputs.is_empty() {
        let mut wanted = Vec::with_capacity(request.outputs.len());
        for name in &request.outputs {
            wanted.extend(response.outputs.iter().find(|tensor| tensor.name() == name).cloned());
        }
        response.outputs = wanted;
    }
    response.model_name = metadata.name;
    response.model_version = metadata.version;
    response.id = request.id.clone();
    Ok(response)
}

/// Answers the canonical text of a request with the canonical text of the answer.
///
/// # Errors
///
/// [`InferError::Refused`] when `request` is not a request, else as [`answer`].
pub fn reexecute(engine: &dyn Engine, request: &[u8]) -> Result<Vec<u8>, InferError> {
    let refused = |error: DecodeError| InferError::Refused {
        reason: error.to_string(),
    };
    let (request, _) = wire::decode(engine.metadata().name.as_str(), "", request, None).map_err(refused)?;
    Ok(answer(engine, &request)?.canonical())
}
