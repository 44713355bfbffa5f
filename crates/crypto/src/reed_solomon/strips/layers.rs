//! Layers of additive Fourier transforms, at most three at a time in registers.

use super::{
    BLOCK_LAYERS, Lanes,
    rows::{Sink, Source, Strided},
};

/// A forward butterfly: values from coefficients.
macro_rules! forward {
    ($rows:ident, $a:literal, $b:literal, $factor:expr) => {
        $rows[$a] = $rows[$a].multiply_add($rows[$b], $factor);
        $rows[$b] = $rows[$b].xor($rows[$a]);
    };
}

/// Its inverse.
macro_rules! inverse {
    ($rows:ident, $a:literal, $b:literal, $factor:expr) => {
        $rows[$b] = $rows[$b].xor($rows[$a]);
        $rows[$a] = $rows[$a].multiply_add($rows[$b], $factor);
    };
}

/// Three layers over eight rows, `node` being the highest layer's factor.
#[inline(always)]
pub(super) unsafe fn forward8<L: Lanes>(mut rows: [L; 8], factors: *const L::Factor) -> [L; 8] {
    // SAFETY: the caller's factors are a heap of at least eight nodes.
    unsafe {
        forward!(rows, 0, 4, factors.add(1));
        forward!(rows, 1, 5, factors.add(1));
        forward!(rows, 2, 6, factors.add(1));
        forward!(rows, 3, 7, factors.add(1));
        forward!(rows, 0, 2, factors.add(2));
        forward!(rows, 1, 3, factors.add(2));
        forward!(rows, 4, 6, factors.add(3));
        forward!(rows, 5, 7, factors.add(3));
        forward!(rows, 0, 1, factors.add(4));
        forward!(rows, 2, 3, factors.add(5));
        forward!(rows, 4, 5, factors.add(6));
        forward!(rows, 6, 7, factors.add(7));
    }
    rows
}

#[inline(always)]
pub(super) unsafe fn inverse8<L: Lanes>(mut rows: [L; 8], factors: *const L::Factor) -> [L; 8] {
    // SAFETY: the caller's factors are a heap of at least eight nodes.
    unsafe {
        inverse!(rows, 0, 1, factors.add(4));
        inverse!(rows, 2, 3, factors.add(5));
        inverse!(rows, 4, 5, factors.add(6));
        inverse!(rows, 6, 7, factors.add(7));
        inverse!(rows, 0, 2, factors.add(2));
        inverse!(rows, 1, 3, factors.add(2));
        inverse!(rows, 4, 6, factors.add(3));
        inverse!(rows, 5, 7, factors.add(3));
        inverse!(rows, 0, 4, factors.add(1));
        inverse!(rows, 1, 5, factors.add(1));
        inverse!(rows, 2, 6, factors.add(1));
        inverse!(rows, 3, 7, factors.add(1));
    }
    rows
}

/// Two layers over four rows, below `node` of the heap.
#[inline(always)]
pub(super) unsafe fn forward4<L: Lanes>(mut rows: [L; 4], factors: *const L::Factor, node: usize) -> [L; 4] {
    // SAFETY: the caller's heap has nodes beyond `2 * node + 1`.
    unsafe {
        forward!(rows, 0, 2, factors.add(node));
        forward!(rows, 1, 3, factors.add(node));
        forward!(rows, 0, 1, factors.add(2 * node));
        forward!(rows, 2, 3, factors.add(2 * node + 1));
    }
    rows
}

#[inline(always)]
pub(super) unsafe fn inverse4<L: Lanes>(mut rows: [L; 4], factors: *const L::Factor, node: usize) -> [L; 4] {
    // SAFETY: the caller's heap has nodes beyond `2 * node + 1`.
    unsafe {
        inverse!(rows, 0, 1, factors.add(2 * node));
        inverse!(rows, 2, 3, factors.add(2 * node + 1));
        inverse!(rows, 0, 2, factors.add(node));
        inverse!(rows, 1, 3, factors.add(node));
    }
    rows
}

/// Five layers over 32 rows, by way of `spare`, which has room for 32.
#[inline(always)]
pub(super) unsafe fn forward32<L: Lanes>(
    source: &impl Source<L>,
    sink: &impl Sink<L>,
    factors: *const L::Factor,
    spare: *mut u8,
) {
    let spare = Strided {
        start: spare,
        stride: L::BYTES,
    };
    // SAFETY: `spare` has room for 32 rows, `factors` 32 nodes; the caller's rows are as its types say.
    unsafe {
        for first in 0..4 {
            let rows = [
                source.get(first),
                source.get(first + 4),
                source.get(first + 8),
                source.get(first + 12),
                source.get(first + 16),
                source.get(first + 20),
                source.get(first + 24),
                source.get(first + 28),
            ];
            for (index, row) in forward8(rows, factors).into_iter().enumerate() {
                spare.put(first + 4 * index, row);
            }
        }
        for quarter in 0..8 {
            let first = 4 * quarter;
            let rows = [
                spare.get(first),
                spare.get(first + 1),
                spare.get(first + 2),
                spare.get(first + 3),
            ];
            for (index, row) in forward4(rows, factors, 8 + quarter).into_iter().enumerate() {
                sink.put(first + index, row);
            }
        }
    }
}

#[inline(always)]
pub(super) unsafe fn inverse32<L: Lanes>(
    source: &impl Source<L>,
    sink: &impl Sink<L>,
    factors: *const L::Factor,
    spare: *mut u8,
) {
    let spare = Strided {
        start: spare,
        stride: L::BYTES,
    };
    // SAFETY: `spare` has room for 32 rows, `factors` 32 nodes; the caller's rows are as its types say.
    unsafe {
        for quarter in 0..8 {
            let first = 4 * quarter;
            let rows = [
                source.get(first),
                source.get(first + 1),
                source.get(first + 2),
                source.get(first + 3),
            ];
            for (index, row) in inverse4(rows, factors, 8 + quarter).into_iter().enumerate() {
                spare.put(first + index, row);
            }
        }
        for first in 0..4 {
            let rows = [
                spare.get(first),
                spare.get(first + 4),
                spare.get(first + 8),
                spare.get(first + 12),
                spare.get(first + 16),
                spare.get(first + 20),
                spare.get(first + 24),
                spare.get(first + 28),
            ];
            for (index, row) in inverse8(rows, factors).into_iter().enumerate() {
                sink.put(first + 4 * index, row);
            }
        }
    }
}

/// The layers across blocks, up to five, from `from` to `to`.
#[inline(always)]
pub(super) unsafe fn inverse_high<L: Lanes>(
    layers: u32,
    from: Strided,
    to: Strided,
    factors: *const L::Factor,
    spare: *mut u8,
) {
    // SAFETY: the caller's places have `1 << layers` rows each, `spare` room for 32, and the heap as many nodes.
    unsafe {
        if layers == BLOCK_LAYERS {
            return inverse32::<L>(&from, &to, factors, spare);
        }
        let count = 1usize << layers;
        for row in 0..count {
            Sink::<L>::put(&to, row, from.get(row));
        }
        for depth in (0..layers).rev() {
            let distance = count >> (depth + 1);
            for row in (0..count).filter(|row| row & distance == 0) {
                let node = factors.add((1 << depth) + row / (2 * distance));
                let (low, high): (L, L) = (to.get(row), to.get(row + distance));
                let high = high.xor(low);
                to.put(row, low.multiply_add(high, node));
                to.put(row + distance, high);
            }
        }
    }
}

/// The layers across blocks, up to five, from `from` to `to`.
#[inline(always)]
pub(super) unsafe fn forward_high<L: Lanes>(
    layers: u32,
    from: Strided,
    to: Strided,
    factors: *const L::Factor,
    spare: *mut u8,
) {
    // SAFETY: the caller's places have `1 << layers` rows each, `spare` room for 32, and the heap as many nodes.
    unsafe {
        if layers == BLOCK_LAYERS {
            return forward32::<L>(&from, &to, factors, spare);
        }
        let count = 1usize << layers;
        for row in 0..count {
            Sink::<L>::put(&to, row, from.get(row));
        }
        for depth in 0..layers {
            let distance = count >> (depth + 1);
            for row in (0..count).filter(|row| row & distance == 0) {
                let node = factors.add((1 << depth) + row / (2 * distance));
                let (low, high): (L, L) = (to.get(row), to.get(row + distance));
                let low = low.multiply_add(high, node);
                to.put(row, low);
                to.put(row + distance, high.xor(low));
            }
        }
    }
}
