//! What networks learn from.

use crate::ModelError;

/// Most rows or sequences in one set of examples: indices into it are `u32`.
pub const MAX_EXAMPLES: usize = u32::MAX as usize;

/// Inputs with the outputs they should lead to. A minibatch is a [`select`](Self::select)ion, of the same type.
#[derive(Clone, Debug, PartialEq)]
pub enum Examples {
    /// Rows of numbers, for an [`Mlp`](crate::Mlp).
    Table(Table),
    /// Windows of text, for a [`Transformer`](crate::Transformer).
    Text(Text),
}

/// Rows of inputs beside rows of targets.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    inputs: Vec<f32>,
    targets: Vec<f32>,
    input_width: usize,
    target_width: usize,
}

/// Windows of one length more than a sequence: all but the last byte are read, all but the first are to be predicted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    windows: Vec<u8>,
    length: usize,
}

impl Examples {
    /// Rows of `input_width` inputs and `target_width` targets, row after row.
    ///
    /// # Errors
    ///
    /// [`ModelError::Length`] when the slices are not as many whole rows as each other, [`ModelError::Value`] when a number
    /// is not finite, [`ModelError::Configuration`] when a width is zero.
    pub fn table(
        inputs: Vec<f32>,
        targets: Vec<f32>,
        input_width: usize,
        target_width: usize,
    ) -> Result<Self, ModelError> {
        for (field, value) in [("input width", input_width), ("target width", target_width)] {
            crate::config::within(field, value as u64, 1, crate::MAX_WIDTH.into())?;
        }
        let rows = inputs.len() / input_width;
        crate::config::within("example count", rows as u64, 0, MAX_EXAMPLES as u64)?;
        expect_length("inputs", inputs.len(), rows * input_width)?;
        expect_length("targets", targets.len(), rows * target_width)?;
        expect_finite("inputs", &inputs)?;
        expect_finite("targets", &targets)?;
        Ok(Self::Table(Table {
            inputs,
            targets,
            input_width,
            target_width,
        }))
    }

    /// The windows of `text` that begin at every `length`-th byte. Bytes after the last whole window are left out.
    ///
    /// # Errors
    ///
    /// [`ModelError::Configuration`] when `length` is zero or no context is that long.
    pub fn text(text: &[u8], length: usize) -> Result<Self, ModelError> {
        crate::config::within("sequence length", length as u64, 1, crate::MAX_CONTEXT.into())?;
        let count = text.len().saturating_sub(1) / length;
        crate::config::within("example count", count as u64, 0, MAX_EXAMPLES as u64)?;
        let windows = (0..count)
            .flat_map(|i| &text[i * length..][..length + 1])
            .copied()
            .collect();
        Ok(Self::Text(Text { windows, length }))
    }

    /// How many rows or windows there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Table(table) => table.inputs.len() / table.input_width,
            Self::Text(text) => text.windows.len() / (text.length + 1),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The examples of these indices, in this order; one may come more than once.
    ///
    /// # Errors
    ///
    /// [`ModelError::NoSuchExample`] when an index is not below [`len`](Self::len).
    pub fn select(&self, indices: &[u32]) -> Result<Self, ModelError> {
        let count = self.len();
        if let Some(&index) = indices.iter().find(|&&index| index as usize >= count) {
            return Err(ModelError::NoSuchExample { index, count });
        }
        Ok(match self {
            Self::Table(table) => Self::Table(Table {
                inputs: gather(&table.inputs, table.input_width, indices),
                targets: gather(&table.targets, table.target_width, indices),
                ..*table
            }),
            Self::Text(text) => Self::Text(Text {
                windows: gather(&text.windows, text.length + 1, indices),
                length: text.length,
            }),
        })
    }

    /// What kind of examples these are, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "rows of numbers",
            Self::Text(_) => "text",
        }
    }
}

impl Table {
    /// All inputs, row after row.
    pub fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// All targets, row after row.
    pub fn targets(&self) -> &[f32] {
        &self.targets
    }

    /// Inputs of a row.
    pub fn input_width(&self) -> usize {
        self.input_width
    }

    /// Targets of a row.
    pub fn target_width(&self) -> usize {
        self.target_width
    }
}

impl Text {
    /// Bytes a network reads of each window.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The bytes read, window after window, and the bytes that follow each of them.
    pub(crate) fn split(&self) -> (Vec<u8>, Vec<u8>) {
        let windows = || self.windows.chunks_exact(self.length + 1);
        (
            windows().flat_map(|window| &window[..self.length]).copied().collect(),
            windows().flat_map(|window| &window[1..]).copied().collect(),
        )
    }
}

fn gather<T: Copy>(rows: &[T], width: usize, indices: &[u32]) -> Vec<T> {
    indices
        .iter()
        .flat_map(|&index| &rows[index as usize * width..][..width])
        .copied()
        .collect()
}

/// Refuses a slice that is not `expected` long.
pub(crate) fn expect_length(what: &'static str, actual: usize, expected: usize) -> Result<(), ModelError> {
    if actual == expected {
        Ok(())
    } else {
        Err(ModelError::Length { what, actual, expected })
    }
}

/// Refuses NaN and infinities.
pub(crate) fn expect_finite(what: &'static str, values: &[f32]) -> Result<(), ModelError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(ModelError::Value {
            what,
            index,
            value: values[index],
        }),
    }
}
