//! Arithmetic with the same bits on every CPU.
//!
//! Each operation fixes the order of its additions and which of them are fused, so that AVX-512, AVX2 with FMA and plain
//! [`f32::mul_add`] agree to the last bit. `docs/spec/model.md` states the order; the tests here hold the three to it.
//!
//! Products go through [`Kernels::multiply`]. Everything else is ordinary Rust compiled once for each instruction set by
//! `on_each_isa!`: the compiler never reorders or fuses floating point by itself, so one text has one result.

mod attend;
mod elementwise;
mod function;
mod gemm;
mod matrix;
mod norm;
mod pack;
mod reduce;
#[cfg(test)]
mod tests;
mod tile;

pub(crate) use attend::QUERY_BLOCK;
pub(crate) use elementwise::AdamStep;
pub(crate) use function::{exp_f64, ln, sin_cos_f64};
pub use matrix::{Matrix, MatrixMut};
pub(crate) use norm::NormStatistics;

use crate::ModelError;

/// Lanes of every sum: partial sums are kept for each index modulo 16 and then added as a binary tree.
pub const LANES: usize = 16;

/// Most threads a [`Kernels`] uses: more than any one machine we serve from, few enough to start for one product.
pub const MAX_THREADS: usize = 256;

/// A set of vector instructions. Which one runs changes the time a computation takes and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// x86-64 with AVX-512F: 16 lanes.
    Avx512,
    /// x86-64 with AVX2 and FMA: 8 lanes.
    Avx2,
    /// [`f32::mul_add`] one number at a time: any CPU, and the definition the others are held to.
    Scalar,
}

impl Isa {
    /// All instruction sets, fastest first.
    pub const ALL: [Isa; 3] = [Isa::Avx512, Isa::Avx2, Isa::Scalar];

    /// The fastest instruction set of this CPU.
    pub fn detect() -> Isa {
        Self::ALL
            .into_iter()
            .find(|isa| isa.is_available())
            .unwrap_or(Isa::Scalar)
    }

    /// Whether this CPU has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                // AVX-512F brings AVX2 and FMA; a hypervisor that hides them is not believed.
                is_x86_feature_detected!("avx512f") && Isa::Avx2.is_available()
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx512 | Isa::Avx2 => false,
            Isa::Scalar => true,
        }
    }
}

/// The kernels of one instruction set this CPU was seen to have, and how many threads a large product may use.
///
/// Neither changes a bit of any result: a thread computes whole rows of an output, never part of a sum.
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    // Private, and set only by `new`: holding a `Kernels` is the proof that the CPU has `isa`.
    isa: Isa,
    threads: usize,
}

impl Kernels {
    /// The kernels of `isa`, on one thread.
    ///
    /// # Errors
    ///
    /// [`ModelError::MissingInstructions`] when this CPU lacks them.
    pub fn new(isa: Isa) -> Result<Self, ModelError> {
        if !isa.is_available() {
            return Err(ModelError::MissingInstructions { isa });
        }
        Ok(Self { isa, threads: 1 })
    }

    /// The fastest kernels of this CPU, on one thread.
    pub fn detect() -> Self {
        Self {
            isa: Isa::detect(),
            threads: 1,
        }
    }

    /// The same kernels on `threads` threads, at least one and at most [`MAX_THREADS`].
    pub fn with_threads(self, threads: usize) -> Self {
        Self {
            threads: threads.clamp(1, MAX_THREADS),
            ..self
        }
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The most threads one product uses.
    pub fn threads(&self) -> usize {
        self.threads
    }
}

/// Defines methods of [`Kernels`] whose one body is compiled for each instruction set.
macro_rules! on_each_isa {
    ($($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block)*) => {
        impl $crate::kernels::Kernels {
            $(
                $(#[$attribute])*
                $visibility fn $name(&self, $($argument: $type),*) $(-> $result)? {
                    #[inline(always)]
                    fn body($($argument: $type),*) $(-> $result)? $body

                    #[cfg(target_arch = "x86_64")]
                    #[target_feature(enable = "avx512f,fma")]
                    fn avx512($($argument: $type),*) $(-> $result)? {
                        body($($argument),*)
                    }

                    #[cfg(target_arch = "x86_64")]
                    #[target_feature(enable = "avx2,fma")]
                    fn avx2($($argument: $type),*) $(-> $result)? {
                        body($($argument),*)
                    }

                    match self.isa {
                        // SAFETY: a `Kernels` of this instruction set exists only on a CPU seen to have it.
                        #[cfg(target_arch = "x86_64")]
                        $crate::kernels::Isa::Avx512 => unsafe { avx512($($argument),*) },
                        // SAFETY: as above.
                        #[cfg(target_arch = "x86_64")]
                        $crate::kernels::Isa::Avx2 => unsafe { avx2($($argument),*) },
                        _ => body($($argument),*),
                    }
                }
            )*
        }
    };
}
use on_each_isa;
