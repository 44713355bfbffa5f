//! Examples: what a learner sees of a table.

/// Rows of inputs with their targets, scaled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examples {
    /// Inputs of one row.
    pub width: usize,
    /// All inputs, row after row.
    pub inputs: Vec<f32>,
    /// One target a row.
    pub targets: Vec<f32>,
}

impl Examples {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The inputs of row `index`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.inputs[index * self.width..(index + 1) * self.width]
    }

    /// The rows at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            width: self.width,
            inputs: indices
                .iter()
                .flat_map(|&index| self.row(index).iter().copied())
                .collect(),
            targets: indices.iter().map(|&index| self.targets[index]).collect(),
        }
    }

    /// The rows of all `parts`, one after another: what pooled training sees.
    pub fn concat<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.width = part.width;
            all.inputs.extend_from_slice(&part.inputs);
            all.targets.extend_from_slice(&part.targets);
        }
        all
    }
}
