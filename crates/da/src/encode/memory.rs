//! Memory for the rows of blobs: on large pages, and used again.
//!
//! A page of 4 KiB that is touched for the first time costs a fault of a microsecond or two: for the parity of a blob that is as
//! much as coding it. Large pages make it five times less, and memory that a former blob used costs nothing.

use memmap2::MmapMut;
use std::sync::{Arc, Mutex, PoisonError};

/// Shorter memory comes from the allocator: it has few pages, and large ones would be mostly empty.
const LARGE_BYTES_MIN: usize = 4 << 20;
/// Most memories kept for later: data and parity of two blobs, one being coded while the other is sent.
const FREE_MAX: usize = 4;

/// Where memory waits for its next use. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Vec<MmapMut>>>);

impl Pool {
    /// Memory of `len` bytes with unspecified content.
    pub(super) fn take(&self, len: usize) -> Memory {
        let space = if len < LARGE_BYTES_MIN {
            Space::Small(vec![0; len])
        } else {
            let kept = {
                let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                // Twice as long as needed at most, so that a small blob does not hold a large one's memory.
                let fit = free.iter().position(|map| (len..=2 * len).contains(&map.len()));
                fit.map(|index| free.swap_remove(index))
            };
            match kept.or_else(|| map(len)) {
                Some(map) => Space::Large(map),
                None => Space::Small(vec![0; len]),
            }
        };
        Memory {
            space,
            len,
            pool: self.clone(),
        }
    }

    fn give(&self, map: MmapMut) {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < FREE_MAX {
            free.push(map);
        }
    }
}

/// Zeroed pages of the system's, large ones where it has them; nothing where it refuses.
fn map(len: usize) -> Option<MmapMut> {
    let map = MmapMut::map_anon(len).ok()?;
    // Advice: without it all is as right, and slower.
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage);
    Some(map)
}

/// Bytes that go back to their pool when dropped.
pub(super) struct Memory {
    space: Space,
    len: usize,
    pool: Pool,
}

enum Space {
    Small(Vec<u8>),
    Large(MmapMut),
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        match &self.space {
            Space::Small(bytes) => &bytes[..self.len],
            Space::Large(map) => &map[..self.len],
        }
    }
}

impl AsMut<[u8]> for Memory {
    fn as_mut(&mut self) -> &mut [u8] {
        match &mut self.space {
            Space::Small(bytes) => &mut bytes[..self.len],
            Space::Large(map) => &mut map[..self.len],
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Space::Large(map) = std::mem::replace(&mut self.space, Space::Small(Vec::new())) {
            self.pool.give(map);
        }
    }
}
