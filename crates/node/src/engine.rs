//! A published model as the serving side sees it: tensors in, tensors out, the same bits on every CPU.

use compute::inference::{
    Datatype, Engine, EngineId, InferError, InferRequest, InferResponse, ModelMetadata, Tensor, TensorSpec,
};
use model::{Input, Kernels, ModelError, Network, NetworkConfig};
use primitives::BlobRoot;

/// Name of the input tensor of a table model: one row of raw features each.
pub const ROWS_INPUT: &str = "rows";

/// Name of the output tensor of a table model: one row of raw predictions each.
pub const PREDICTION_OUTPUT: &str = "prediction";

/// A model that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The file is not a model.
    #[error("blob {root} is not a model")]
    File {
        /// The blob.
        root: BlobRoot,
        /// What is wrong with it.
        source: ModelError,
    },
    /// Only table models are served so far.
    #[error("blob {root} is a text model: only models of tables are served so far")]
    Kind {
        /// The blob.
        root: BlobRoot,
    },
}

/// One version of one model, loaded.
pub struct NetworkEngine {
    metadata: ModelMetadata,
    network: Network,
    inputs: usize,
    outputs: usize,
    kernels: Kernels,
}

impl NetworkEngine {
    /// Loads the safetensors bytes that were published as `root` under `name`.
    ///
    /// # Errors
    ///
    /// [`EngineError`] when the bytes are no model, or one that is not served.
    pub fn load(name: &str, version: u64, root: BlobRoot, file: &[u8]) -> Result<Self, EngineError> {
        let network = Network::load(file).map_err(|source| EngineError::File { root, source })?;
        let NetworkConfig::Mlp(config) = network.config() else {
            return Err(EngineError::Kind { root });
        };
        let tensor = |name: &str, width: u32| TensorSpec {
            name: name.into(),
            datatype: Datatype::Fp32,
            shape: vec![None, Some(width.into())],
        };
        let metadata = ModelMetadata {
            name: name.into(),
            version: version.to_string(),
            platform: "aloft_mlp".into(),
            inputs: vec![tensor(ROWS_INPUT, config.inputs)],
            outputs: vec![tensor(PREDICTION_OUTPUT, config.outputs)],
            root,
            engine: EngineId {
                name: "aloft-model".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                numerics: "bit-exact-f32/1".into(),
            },
        };
        let (inputs, outputs) = (config.inputs as usize, config.outputs as usize);
        Ok(Self {
            metadata,
            network,
            inputs,
            outputs,
            kernels: Kernels::detect(),
        })
    }
}

impl Engine for NetworkEngine {
    fn metadata(&self) -> ModelMetadata {
        self.metadata.clone()
    }

    fn infer(&self, request: &InferRequest) -> Result<InferResponse, InferError> {
        let rows = request
            .input(ROWS_INPUT)?
            .to_fp32()
            .map_err(|error| InferError::Refused {
                reason: error.to_string(),
            })?;
        // What a network cannot read (a NaN, too many rows) is the request's fault: its own parameters were checked when loaded.
        let answer = self
            .network
            .forward(&self.kernels, Input::Rows(&rows))
            .map_err(|error| InferError::Refused {
                reason: error.to_string(),
            })?;
        let count = (rows.len() / self.inputs) as u64;
        let prediction = Tensor::fp32(PREDICTION_OUTPUT, &[count, self.outputs as u64], &answer)?;
        Ok(InferResponse {
            model_name: self.metadata.name.clone(),
            model_version: self.metadata.version.clone(),
            id: request.id.clone(),
            outputs: vec![prediction],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use compute::inference::{answer, reexecute};
    use model::{Activation, Loss, Mlp, MlpConfig, Standardisation};

    fn engine() -> NetworkEngine {
        let config = MlpConfig {
            inputs: 3,
            hidden: vec![8],
            outputs: 1,
            activation: Activation::Relu,
            loss: Loss::MeanSquaredError,
        };
        let network = Network::from(Mlp::new(config, Standardisation::identity(3, 1), 7).unwrap());
        NetworkEngine::load("harvest", 1, BlobRoot::from([1; 32]), &network.save()).unwrap()
    }

    fn request(rows: &[f32]) -> InferRequest {
        let input = Tensor::fp32(ROWS_INPUT, &[(rows.len() / 3) as u64, 3], rows).unwrap();
        InferRequest {
            model_name: "harvest".into(),
            model_version: String::new(),
            id: "1".into(),
            parameters: Default::default(),
            inputs: vec![input],
            outputs: vec![],
        }
    }

    /// What a verifier does with a receipt: the text of the request alone gives the text of the answer.
    #[test]
    fn an_answer_computed_again_from_its_request_is_the_same_text() {
        let engine = engine();
        let request = request(&[0.1, -2.5, 3e7, 4.0, 5.0, 6.0]);
        let first = answer(&engine, &request).unwrap().canonical();
        assert_eq!(reexecute(&engine, &request.canonical()).unwrap(), first);
    }

    #[test]
    fn a_request_of_another_width_is_refused_not_answered() {
        let narrow = Tensor::fp32(ROWS_INPUT, &[1, 2], &[1.0, 2.0]).unwrap();
        let request = InferRequest {
            inputs: vec![narrow],
            ..request(&[0.0; 3])
        };
        let error = answer(&engine(), &request).unwrap_err();
        assert!(error.is_requests_fault(), "{error}");
    }

    #[test]
    fn bytes_that_are_no_model_are_refused_by_the_blobs_name() {
        let root = BlobRoot::from([1; 32]);
        let error = NetworkEngine::load("harvest", 1, root, b"not a model").err().unwrap();
        assert!(error.to_string().contains(&root.to_string()));
    }
}
