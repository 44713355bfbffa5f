//! Matrix products with one order of additions.
//!
//! `c[i][j]` is a sum over depth `p` cut into blocks of [`DEPTH_BLOCK`]. Inside a block, `sum = fma(a[i][p], b[p][j], sum)`
//! from zero in order of `p`; the blocks' sums are added in order. Nothing else about the product, its other rows, its
//! other columns, its threads or its instruction set, enters an output.

use super::Kernels;
use super::matrix::{Matrix, MatrixMut};
use super::pack::Lanes;
use super::tile::{MAX_COLUMNS, MAX_ROWS, Tiles};

/// Depth of one chain of fused multiply-adds. Part of the arithmetic: another value is another result.
pub const DEPTH_BLOCK: usize = 256;

/// Rows packed together: with [`DEPTH_BLOCK`], 96 KiB that stay in the second-level cache. Not part of the arithmetic.
const ROW_BLOCK: usize = 96;

/// Columns packed together: with [`DEPTH_BLOCK`], 512 KiB. Not part of the arithmetic.
const COLUMN_BLOCK: usize = 512;

/// A product of at most this many rows reads its right operand in place: a copy would cost more than it saves.
const UNPACKED_ROWS_MAX: usize = 12;

/// Multiply-adds below which another thread costs more to start than it saves.
const THREAD_WORK_MIN: usize = 1 << 21;

impl Kernels {
    /// `c = a · b`.
    ///
    /// # Panics
    ///
    /// When the shapes do not agree.
    pub fn multiply(&self, a: Matrix<'_>, b: Matrix<'_>, c: MatrixMut<'_>) {
        self.product(a, b, c, false);
    }

    /// `c = c + a · b`: each depth block's sum is added to what is there, in order.
    ///
    /// # Panics
    ///
    /// When the shapes do not agree.
    pub fn multiply_add(&self, a: Matrix<'_>, b: Matrix<'_>, c: MatrixMut<'_>) {
        self.product(a, b, c, true);
    }

    fn product(&self, a: Matrix<'_>, b: Matrix<'_>, c: MatrixMut<'_>, add: bool) {
        assert_eq!(
            (a.rows, b.columns),
            (c.rows, c.columns),
            "the product has its operands' shape"
        );
        assert_eq!(a.columns, b.rows, "the operands have the same depth");
        let work = a.rows * a.columns * b.columns;
        let threads = self.threads.min(work / THREAD_WORK_MIN).max(1);
        if threads == 1 {
            return Product {
                kernels: *self,
                a,
                b,
                add,
            }
            .run(c);
        }
        let rows_each = a.rows.div_ceil(threads).next_multiple_of(MAX_ROWS);
        std::thread::scope(|scope| {
            let (mut rest, mut first) = (c, 0);
            while rest.rows > 0 {
                let rows = rows_each.min(rest.rows);
                let (mine, others) = rest.split_rows(rows);
                let product = Product {
                    kernels: *self,
                    a: a.slice_rows(first, rows),
                    b,
                    add,
                };
                rest = others;
                first += rows;
                if rest.rows == 0 {
                    product.run(mine);
                } else {
                    scope.spawn(move || product.run(mine));
                }
            }
        });
    }
}

/// One thread's product.
struct Product<'a> {
    kernels: Kernels,
    a: Matrix<'a>,
    b: Matrix<'a>,
    add: bool,
}

impl Product<'_> {
    fn run(&self, mut c: MatrixMut<'_>) {
        let (rows, depth, columns) = (self.a.rows, self.a.columns, self.b.columns);
        if rows == 0 || columns == 0 {
            return;
        }
        if depth == 0 {
            if !self.add {
                c.data
                    .chunks_mut(c.stride)
                    .take(rows)
                    .for_each(|row| row[..columns].fill(0.0));
            }
            return;
        }
        let tiles = Tiles::of(self.kernels.isa);
        let depth_max = DEPTH_BLOCK.min(depth);
        let mut left = vec![0.0; depth_max * ROW_BLOCK.min(rows)];
        let mut right = vec![0.0; depth_max * COLUMN_BLOCK.min(columns.next_multiple_of(tiles.columns))];
        for column in (0..columns).step_by(COLUMN_BLOCK) {
            let column_count = COLUMN_BLOCK.min(columns - column);
            for step in (0..depth).step_by(DEPTH_BLOCK) {
                let block = Block {
                    step,
                    depth: DEPTH_BLOCK.min(depth - step),
                    column,
                    column_count,
                };
                self.pack_right(&tiles, &block, &mut right);
                for row in (0..rows).step_by(ROW_BLOCK) {
                    self.multiply_block(
                        &tiles,
                        &block,
                        row..rows.min(row + ROW_BLOCK),
                        &mut left,
                        &right,
                        &mut c,
                    );
                }
            }
        }
    }

    /// Whether the panel of `width` columns is read in place.
    fn reads_in_place(&self, tiles: &Tiles, width: usize) -> bool {
        self.b.column_stride == 1 && self.a.rows <= UNPACKED_ROWS_MAX && width == tiles.columns
    }

    fn pack_right(&self, tiles: &Tiles, block: &Block, right: &mut [f32]) {
        let Matrix {
            data,
            row_stride: depth_stride,
            column_stride: lane_stride,
            ..
        } = self.b;
        for column in (0..block.column_count).step_by(tiles.columns) {
            let width = tiles.columns.min(block.column_count - column);
            if !self.reads_in_place(tiles, width) {
                let source = &data[block.step * depth_stride + (block.column + column) * lane_stride..];
                let lanes = Lanes {
                    lane_stride,
                    depth_stride,
                    count: width,
                };
                self.kernels.pack(
                    &mut right[column * block.depth..],
                    tiles.columns,
                    source,
                    lanes,
                    block.depth,
                );
            }
        }
    }

    fn multiply_block(
        &self,
        tiles: &Tiles,
        block: &Block,
        rows: std::ops::Range<usize>,
        left: &mut [f32],
        right: &[f32],
        c: &mut MatrixMut<'_>,
    ) {
        let Matrix {
            data,
            row_stride: lane_stride,
            column_stride: depth_stride,
            ..
        } = self.a;
        for row in rows.clone().step_by(tiles.rows()) {
            let height = tiles.rows().min(rows.end - row);
            let source = &data[row * lane_stride + block.step * depth_stride..];
            let lanes = Lanes {
                lane_stride,
                depth_stride,
                count: height,
            };
            self.kernels.pack(
                &mut left[(row - rows.start) * block.depth..],
                height,
                source,
                lanes,
                block.depth,
            );
        }
        let add = self.add || block.step > 0;
        for column in (0..block.column_count).step_by(tiles.columns) {
            let width = tiles.columns.min(block.column_count - column);
            let (b, b_stride) = if self.reads_in_place(tiles, width) {
                let first = block.step * self.b.row_stride + block.column + column;
                let length = (block.depth - 1) * self.b.row_stride + width;
                (&self.b.data[first..][..length], self.b.row_stride)
            } else {
                (
                    &right[column * block.depth..][..tiles.columns * block.depth],
                    tiles.columns,
                )
            };
            for row in rows.clone().step_by(tiles.rows()) {
                let height = tiles.rows().min(rows.end - row);
                let a = &left[(row - rows.start) * block.depth..][..height * block.depth];
                let tile = tiles.of_rows[height - 1];
                let first = row * c.stride + block.column + column;
                let target = &mut c.data[first..][..(height - 1) * c.stride + width];
                if width == tiles.columns {
                    // SAFETY: a `Kernels` has the instructions of its tiles. The slices were just cut to what a tile of `height` rows and this
                    // many columns reads and writes, and `target` is borrowed apart from `a` and `b`.
                    unsafe {
                        tile(
                            block.depth,
                            a.as_ptr(),
                            b.as_ptr(),
                            b_stride,
                            target.as_mut_ptr(),
                            c.stride,
                            add,
                        )
                    };
                    continue;
                }
                let mut whole = [0.0; MAX_ROWS * MAX_COLUMNS];
                // SAFETY: as above; `whole` holds any tile.
                unsafe {
                    tile(
                        block.depth,
                        a.as_ptr(),
                        b.as_ptr(),
                        b_stride,
                        whole.as_mut_ptr(),
                        tiles.columns,
                        false,
                    );
                }
                for (slots, values) in target
                    .chunks_mut(c.stride)
                    .zip(whole.chunks_exact(tiles.columns))
                    .take(height)
                {
                    for (slot, &value) in slots[..width].iter_mut().zip(values) {
                        *slot = if add { *slot + value } else { value };
                    }
                }
            }
        }
    }
}

/// The part of a product between two packings of the right operand.
struct Block {
    step: usize,
    depth: usize,
    column: usize,
    column_count: usize,
}
