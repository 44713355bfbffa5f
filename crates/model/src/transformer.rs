//! A small decoder-only transformer on bytes.

use std::ops::Range;

use crate::config::{MAX_ATTENTION_WEIGHTS, MAX_BATCH_TOKENS, VOCABULARY, within};
use crate::examples::{Text, expect_length};
use crate::layers::attention::{Attended, Attention};
use crate::layers::linear::Linear;
use crate::layers::loss::cross_entropy_of_bytes;
use crate::layers::norm::{Norm, Normalised};
use crate::layout::{Layout, Start};
use crate::random::first_parameters;
use crate::{Activation, Kernels, ModelError, TransformerConfig};

/// Standard deviation of first weights. GPT-2's value.
const DEVIATION: f32 = 0.02;

/// A decoder-only transformer: its configuration and its parameters.
///
/// `x = embedding; x += attention(norm(x)); x += mlp(norm(x)); …; logits = head(norm(x))`, as GPT-2 but for rotary positions
/// and a head of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Transformer {
    pub(crate) config: TransformerConfig,
    pub(crate) layout: Layout,
    pub(crate) parameters: Vec<f32>,
    embedding: Range<usize>,
    blocks: Vec<Block>,
    last_norm: Norm,
    head: Linear,
}

/// One layer: attention, then two dense layers.
#[derive(Clone, Debug, PartialEq)]
struct Block {
    attention_norm: Norm,
    attention_in: Linear,
    attention_out: Linear,
    dense_norm: Norm,
    dense_in: Linear,
    dense_out: Linear,
}

/// What one block saw on the way forward.
#[derive(Default)]
struct BlockTrace {
    input: Vec<f32>,
    attention_input: Normalised,
    queries_keys_values: Vec<f32>,
    attended: Attended,
    middle: Vec<f32>,
    dense_input: Normalised,
    hidden: Vec<f32>,
    activated: Vec<f32>,
}

/// What the network saw on the way forward.
struct Trace {
    blocks: Vec<BlockTrace>,
    last: Vec<f32>,
    head_input: Normalised,
    logits: Vec<f32>,
}

impl Transformer {
    /// A network with the first parameters of `seed`: weights uniform with standard deviation 0.02, those that end a block
    /// divided by `√(2 · layers)`, gains one and biases zero.
    ///
    /// # Errors
    ///
    /// [`ModelError::Configuration`] or [`ModelError::Heads`] beyond what this crate runs.
    pub fn new(config: TransformerConfig, seed: u64) -> Result<Self, ModelError> {
        config.check()?;
        let width = config.width as usize;
        let mut layout = Layout::default();
        let embedding = layout.push(
            "transformer.wte.weight".into(),
            &[VOCABULARY, width],
            Start::Random(DEVIATION),
        );
        let blocks = (0..config.layers)
            .map(|i| Block::push(&mut layout, i, &config))
            .collect();
        let last_norm = Norm::push(&mut layout, "transformer.ln_f", width);
        let head = Linear::push(&mut layout, "lm_head", (width, VOCABULARY), false, DEVIATION);
        let parameters = first_parameters(&layout, seed);
        Ok(Self {
            config,
            layout,
            parameters,
            embedding,
            blocks,
            last_norm,
            head,
        })
    }

    /// What the network is made of.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// Logits of the byte after each byte, 256 for each, for sequences of `length` bytes one after another.
    ///
    /// A position's logits are the same bits whatever other sequences are beside it and however long its own goes on. NaN is
    /// always the same NaN.
    ///
    /// # Errors
    ///
    /// [`ModelError::Length`] when `bytes` is not whole sequences; [`ModelError::Configuration`] when `length` is over the
    /// network's context or the bytes are too many.
    pub fn forward(&self, kernels: &Kernels, bytes: &[u8], length: usize) -> Result<Vec<f32>, ModelError> {
        within("sequence length", length as u64, 1, self.config.context.into())?;
        within("token count", bytes.len() as u64, 0, MAX_BATCH_TOKENS as u64)?;
        expect_length("bytes", bytes.len(), bytes.len() / length * length)?;
        let mut logits = self.run(kernels, bytes, length, false).logits;
        crate::network::canonicalise_nan(&mut logits);
        Ok(logits)
    }

    /// The loss on `text`, in nats a byte.
    pub(crate) fn loss(&self, kernels: &Kernels, text: &Text) -> Result<f32, ModelError> {
        let (inputs, targets) = self.check_text(text)?;
        let mut logits = self.run(kernels, &inputs, text.length(), false).logits;
        Ok(cross_entropy_of_bytes(kernels, &mut logits, &targets))
    }

    /// The loss on `text`, in nats a byte; its gradient replaces `gradients`.
    pub(crate) fn loss_and_gradients(
        &self,
        kernels: &Kernels,
        text: &Text,
        gradients: &mut [f32],
    ) -> Result<f32, ModelError> {
        let (inputs, targets) = self.check_text(text)?;
        let attention = self.attention(inputs.len(), text.length());
        within(
            "attention weight count",
            attention.weight_count() as u64,
            1,
            MAX_ATTENTION_WEIGHTS as u64,
        )?;
        gradients.fill(0.0);
        let Trace {
            blocks,
            last,
            head_input,
            mut logits,
        } = self.run(kernels, &inputs, text.length(), true);
        let loss = cross_entropy_of_bytes(kernels, &mut logits, &targets);
        let parameters = &self.parameters;
        self.head
            .backward_parameters(kernels, &head_input.output, &logits, gradients);
        let normal_gradient = self.head.backward_input(kernels, parameters, &logits);
        let mut gradient = vec![0.0; last.len()];
        let norm = &self.last_norm;
        norm.backward(
            kernels,
            parameters,
            (&last, &head_input),
            &normal_gradient,
            &mut gradient,
            gradients,
        );
        for (block, trace) in self.blocks.iter().zip(&blocks).rev() {
            block.backward(kernels, &attention, parameters, trace, &mut gradient, gradients);
        }
        let width = self.config.width as usize;
        let embedding = &mut gradients[self.embedding.clone()];
        for (&byte, gradient) in inputs.iter().zip(gradient.chunks_exact(width)) {
            kernels.add(&mut embedding[usize::from(byte) * width..][..width], gradient);
        }
        Ok(loss)
    }

    fn run(&self, kernels: &Kernels, bytes: &[u8], length: usize, keep: bool) -> Trace {
        let width = self.config.width as usize;
        let embedding = &self.parameters[self.embedding.clone()];
        let mut x: Vec<f32> = bytes
            .iter()
            .flat_map(|&byte| &embedding[usize::from(byte) * width..][..width])
            .copied()
            .collect();
        let attention = self.attention(bytes.len(), length);
        let mut blocks = Vec::new();
        for block in &self.blocks {
            let trace = block.forward(kernels, &attention, &self.parameters, &mut x, keep);
            if keep {
                blocks.push(trace);
            }
        }
        let head_input = self.last_norm.forward(kernels, &self.parameters, &x);
        let logits = self.head.forward(kernels, &self.parameters, &head_input.output);
        Trace {
            blocks,
            last: x,
            head_input,
            logits,
        }
    }

    fn attention(&self, tokens: usize, length: usize) -> Attention {
        Attention {
            sequences: tokens / length,
            length,
            heads: self.config.heads as usize,
            width: self.config.width as usize,
        }
    }

    fn check_text(&self, text: &Text) -> Result<(Vec<u8>, Vec<u8>), ModelError> {
        within("sequence length", text.length() as u64, 1, self.config.context.into())?;
        let (inputs, targets) = text.split();
        within("token count", inputs.len() as u64, 1, MAX_BATCH_TOKENS as u64)?;
        Ok((inputs, targets))
    }
}

impl Block {
    /// Appends the tensors of block `i`, named as GPT-2 names them.
    fn push(layout: &mut Layout, i: u32, config: &TransformerConfig) -> Self {
        let width = config.width as usize;
        let last_deviation = DEVIATION / (2.0 * config.layers as f32).sqrt();
        let name = |part: &str| format!("transformer.h.{i}.{part}");
        Self {
            attention_norm: Norm::push(layout, &name("ln_1"), width),
            attention_in: Linear::push(layout, &name("attn.c_attn"), (width, 3 * width), true, DEVIATION),
            attention_out: Linear::push(layout, &name("attn.c_proj"), (width, width), true, last_deviation),
            dense_norm: Norm::push(layout, &name("ln_2"), width),
            dense_in: Linear::push(layout, &name("mlp.c_fc"), (width, 4 * width), true, DEVIATION),
            dense_out: Linear::push(layout, &name("mlp.c_proj"), (4 * width, width), true, last_deviation),
        }
    }

    /// Adds the block's outputs to `x`. Its trace is empty unless `keep`.
    fn forward(&self, kernels: &Kernels, attention: &Attention, p: &[f32], x: &mut [f32], keep: bool) -> BlockTrace {
        let input = if keep { x.to_vec() } else { Vec::new() };
        let attention_input = self.attention_norm.forward(kernels, p, x);
        let mut queries_keys_values = self.attention_in.forward(kernels, p, &attention_input.output);
        let attended = attention.forward(kernels, &mut queries_keys_values, keep);
        kernels.add(x, &self.attention_out.forward(kernels, p, &attended.output));
        let middle = if keep { x.to_vec() } else { Vec::new() };
        let dense_input = self.dense_norm.forward(kernels, p, x);
        let hidden = self.dense_in.forward(kernels, p, &dense_input.output);
        let activated = Activation::Gelu.forward(kernels, &hidden);
        kernels.add(x, &self.dense_out.forward(kernels, p, &activated));
        BlockTrace {
            input,
            attention_input,
            queries_keys_values,
            attended,
            middle,
            dense_input,
            hidden,
            activated,
        }
    }

    /// Turns the gradient of the block's output into that of its input, and adds those of its parameters.
    fn backward(
        &self,
        kernels: &Kernels,
        attention: &Attention,
        p: &[f32],
        trace: &BlockTrace,
        gradient: &mut [f32],
        gradients: &mut [f32],
    ) {
        self.dense_out
            .backward_parameters(kernels, &trace.activated, gradient, gradients);
        let mut inner = self.dense_out.backward_input(kernels, p, gradient);
        Activation::Gelu.backward(kernels, &trace.hidden, &mut inner);
        self.dense_in
            .backward_parameters(kernels, &trace.dense_input.output, &inner, gradients);
        let inner = self.dense_in.backward_input(kernels, p, &inner);
        self.dense_norm.backward(
            kernels,
            p,
            (&trace.middle, &trace.dense_input),
            &inner,
            gradient,
            gradients,
        );

        self.attention_out
            .backward_parameters(kernels, &trace.attended.output, gradient, gradients);
        let inner = self.attention_out.backward_input(kernels, p, gradient);
        let inner = attention.backward(kernels, &trace.queries_keys_values, &trace.attended, &inner);
        self.attention_in
            .backward_parameters(kernels, &trace.attention_input.output, &inner, gradients);
        let inner = self.attention_in.backward_input(kernels, p, &inner);
        self.attention_norm.backward(
            kernels,
            p,
            (&trace.input, &trace.attention_input),
            &inner,
            gradient,
            gradients,
        );
    }
}
