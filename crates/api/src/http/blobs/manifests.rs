//! Manifests that were read lately, so that a range of a large object does not read its manifest again each time.
//!
//! A manifest's root names its bytes for ever, so nothing here gets old: what is asked for next drives out what was asked for
//! longest ago.

use da::object::Manifest;
use primitives::BlobRoot;
use std::{
    collections::VecDeque,
    mem::size_of_val,
    sync::{Arc, Mutex, PoisonError},
};

/// Bytes that the kept manifests take at most: two of the longest, or 8,000 of objects of a gigabyte.
const BYTES_MAX: usize = 17 << 20;
/// Bytes of a manifest besides its roots, at most: name, media type and what holds them.
const OVERHEAD_BYTES: usize = 2048;

/// The manifests, the one asked for last at the end.
#[derive(Default)]
pub(super) struct Manifests(Mutex<VecDeque<(BlobRoot, Arc<Manifest>)>>);

impl Manifests {
    /// The manifest that the blob `root` is, if it was read lately.
    pub(super) fn find(&self, root: BlobRoot) -> Option<Arc<Manifest>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(known, _)| *known == root)?;
        let found = kept.remove(place)?;
        let manifest = found.1.clone();
        kept.push_back(found);
        Some(manifest)
    }

    /// Keeps a manifest, in place of as many others as it needs room for.
    pub(super) fn keep(&self, root: BlobRoot, manifest: Arc<Manifest>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != root);
        kept.push_back((root, manifest));
        let mut bytes: usize = kept.iter().map(|(_, manifest)| bytes_of(manifest)).sum();
        while bytes > BYTES_MAX
            && let Some((_, oldest)) = kept.pop_front()
        {
            bytes -= bytes_of(&oldest);
        }
    }
}

fn bytes_of(manifest: &Manifest) -> usize {
    size_of_val(manifest.roots()) + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use da::{
        Meta,
        object::{MAX_STRIPES, STRIPE_BYTES},
    };

    fn manifest(stripes: u32) -> Arc<Manifest> {
        let roots = vec![BlobRoot::from([1; 32]); stripes as usize];
        let length = u64::from(stripes) * u64::from(STRIPE_BYTES);
        Arc::new(Manifest::new(length, STRIPE_BYTES, Meta::default(), roots).unwrap())
    }

    fn root(number: u32) -> BlobRoot {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        BlobRoot::from(bytes)
    }

    #[test]
    fn what_was_asked_for_longest_ago_makes_room_for_what_is_asked_for_now() {
        let manifests = Manifests::default();
        for number in 0..3 {
            manifests.keep(root(number), manifest(MAX_STRIPES));
            assert!(
                manifests.find(root(0)).is_some() || number == 2,
                "it was asked for again each time"
            );
        }
        // Two of the longest fit, and the first was asked for last before the third came.
        let kept: Vec<u32> = (0..3)
            .filter(|number| manifests.find(root(*number)).is_some())
            .collect();
        assert_eq!(kept, [0, 2]);
    }

    #[test]
    fn many_small_manifests_are_kept_and_never_more_bytes_than_there_is_room_for() {
        let manifests = Manifests::default();
        let small = manifest(2);
        for number in 0..9_000 {
            manifests.keep(root(number), small.clone());
        }
        // Read again by two at once: one is kept.
        manifests.keep(root(8_999), small);
        let kept = manifests.0.lock().unwrap();
        let bytes: usize = kept.iter().map(|(_, manifest)| bytes_of(manifest)).sum();
        assert!(
            bytes <= BYTES_MAX && kept.len() > 8_000,
            "{} of {bytes} bytes",
            kept.len()
        );
    }
}
