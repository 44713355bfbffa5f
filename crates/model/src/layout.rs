//! Where each named tensor lies in a network's flat parameters.

use std::ops::Range;

/// A tensor of a network: a name, a shape and a run of the flat parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name in the style of Hugging Face's GPT-2, such as `transformer.h.0.attn.c_attn.weight`.
    pub name: String,
    /// Rows then columns, or one length. A weight is `inputs × outputs`, as in GPT-2's own files.
    pub shape: Vec<usize>,
    /// The tensor's place in the flat parameters, row after row.
    pub range: Range<usize>,
    /// How its first values are drawn.
    pub(crate) start: Start,
}

/// How a tensor's first values are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Start {
    Zero,
    One,
    /// Uniform around zero, with this standard deviation.
    Random(f32),
}

/// The tensors of a network in the order of its flat parameters, without gaps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    tensors: Vec<Tensor>,
}

impl Layout {
    /// All tensors, in order.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// How many parameters the tensors hold together.
    pub fn parameter_count(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.range.end)
    }

    /// Appends a tensor and returns its place.
    pub(crate) fn push(&mut self, name: String, shape: &[usize], start: Start) -> Range<usize> {
        let first = self.parameter_count();
        let range = first..first + shape.iter().product::<usize>();
        self.tensors.push(Tensor {
            name,
            shape: shape.to_vec(),
            range: range.clone(),
            start,
        });
        range
    }
}
