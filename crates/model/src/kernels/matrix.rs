//! Views of `f32` slices as matrices.

/// A matrix read in place: rows or columns contiguous, the other dimension at a stride.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows × columns`, row after row without gaps.
    ///
    /// # Panics
    ///
    /// When `data` is not exactly that long.
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(
            data.len(),
            rows * columns,
            "a {rows} × {columns} matrix fills its slice"
        );
        Self::strided(data, rows, columns, columns)
    }

    /// `rows × columns`, where row `i` begins at `data[i * stride]`.
    ///
    /// # Panics
    ///
    /// When a row would overlap the next or the last would leave `data`.
    pub fn strided(data: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(
            fits(data.len(), rows, columns, stride),
            "a {rows} × {columns} matrix of stride {stride} fits its slice"
        );
        Self {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The same numbers with rows and columns exchanged; nothing is copied.
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// Rows `first..first + rows` only.
    pub(super) fn slice_rows(self, first: usize, rows: usize) -> Self {
        assert!(first + rows <= self.rows, "a slice of rows is inside its matrix");
        Self {
            data: &self.data[(first * self.row_stride).min(self.data.len())..],
            rows,
            ..self
        }
    }

    /// The element in `row` and `column`.
    #[cfg(test)]
    pub(super) fn at(&self, row: usize, column: usize) -> f32 {
        self.data[row * self.row_stride + column * self.column_stride]
    }
}

/// A matrix written in place: row `i` begins at `data[i * stride]`.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// `rows × columns`, row after row without gaps.
    ///
    /// # Panics
    ///
    /// When `data` is not exactly that long.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(
            data.len(),
            rows * columns,
            "a {rows} × {columns} matrix fills its slice"
        );
        Self::strided(data, rows, columns, columns)
    }

    /// `rows × columns`, where row `i` begins at `data[i * stride]`. What lies between rows is left alone.
    ///
    /// # Panics
    ///
    /// When a row would overlap the next or the last would leave `data`.
    pub fn strided(data: &'a mut [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert!(
            fits(data.len(), rows, columns, stride),
            "a {rows} × {columns} matrix of stride {stride} fits its slice"
        );
        Self {
            data,
            rows,
            columns,
            stride,
        }
    }

    /// The first `rows` rows and the rest.
    pub(super) fn split_rows(self, rows: usize) -> (MatrixMut<'a>, MatrixMut<'a>) {
        assert!(rows <= self.rows, "a matrix is split inside itself");
        let (columns, stride) = (self.columns, self.stride);
        let middle = (rows * stride).min(self.data.len());
        let (head, tail) = self.data.split_at_mut(middle);
        (
            MatrixMut {
                data: head,
                rows,
                columns,
                stride,
            },
            MatrixMut {
                data: tail,
                rows: self.rows - rows,
                columns,
                stride,
            },
        )
    }
}

/// Whether every row of a strided matrix lies inside a slice of `len`, apart from the next.
fn fits(len: usize, rows: usize, columns: usize, stride: usize) -> bool {
    let Some(last) = rows.checked_sub(1) else { return true };
    columns <= stride
        && last
            .checked_mul(stride)
            .and_then(|start| start.checked_add(columns))
            .is_some_and(|end| end <= len)
}
