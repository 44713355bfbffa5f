//! What programs that run a node allocate with, and how it treats memory that was freed. See docs/decisions/0016.

/// Blocks and messages of a megabyte come and go, and glibc gives such memory back to the system each time.
pub use mimalloc::MiMalloc as Allocator;

use libmimalloc_sys::{mi_option_set, mi_option_t, mi_option_use_numa_nodes};

/// `mi_option_purge_delay`, which the bindings leave out: `mi_option_use_numa_nodes` follows it.
const PURGE_DELAY: mi_option_t = mi_option_use_numa_nodes - 1;

/// Keeps memory that is freed for what is allocated next, instead of giving it back after a second and having the system clear it anew, which
/// was a tenth of a validator's time under load. The process stays as large as it was at its largest.
pub fn keep_freed_memory() {
    // SAFETY: the option is one of the table's, which any thread may write at any time; -1 is a value that the library documents for it.
    unsafe { mi_option_set(PURGE_DELAY, -1) }
}

#[cfg(test)]
mod tests {
    use super::{PURGE_DELAY, keep_freed_memory};
    use libmimalloc_sys::mi_option_get;

    #[test]
    fn the_option_set_is_the_one_that_is_a_second_unless_told() {
        // SAFETY: as above; reading changes nothing.
        let before = unsafe { mi_option_get(PURGE_DELAY) };
        // Other tests of this process run nodes, which may have told it already. The options beside it are neither.
        assert!([1000, -1].contains(&before), "{before}");
        keep_freed_memory();
        // SAFETY: as above.
        assert_eq!(unsafe { mi_option_get(PURGE_DELAY) }, -1);
    }
}
