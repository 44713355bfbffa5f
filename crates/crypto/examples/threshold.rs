//! CPU time of a threshold release, by committee: `cargo run --release -p crypto --example threshold`.
//!
//! One thread. The last line is a JSON object: microseconds of CPU for each step and committee.

use commonware_codec::{DecodeExt, Encode};
use crypto::{
    stream::Key,
    threshold::{Ciphertext, Committee, DealtThresholdKeys, Identity, ReleaseShare},
};
use primitives::Digest;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// CPU time of this process so far, microseconds.
fn cpu_us() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// Least CPU time of `work` over `runs`, microseconds, and what it returned.
fn least<T>(runs: u32, mut work: impl FnMut() -> T) -> (f64, T) {
    let mut best = f64::INFINITY;
    let mut last = None;
    for _ in 0..runs {
        let began = cpu_us();
        last = Some(work());
        best = best.min(cpu_us() - began);
    }
    (best, last.expect("at least one run"))
}

fn main() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let identity = Identity(Digest::of(b"policy, epoch"));
    let content = Key::generate(&mut rng);
    let mut objects = Vec::new();
    for (threshold, members) in [(3u16, 4u16), (67, 100)] {
        let keys = DealtThresholdKeys::deal(&mut rng, threshold, members).expect("a possible shape");
        let committee = &keys.committee;
        let encoded = committee.encode();
        let (read, _) = least(3, || Committee::decode(encoded.clone()).expect("just encoded"));
        let (seal, ciphertext) = least(20, || {
            Ciphertext::seal(&mut rng, committee.key(), &identity, &content, b"blob")
        });
        let (release, share) = least(50, || keys.shares[0].release(&identity));
        let bytes = share.encode();
        let (decode, _) = least(50, || ReleaseShare::decode(bytes.clone()).expect("just encoded"));
        let (verify, right) = least(20, || committee.verify(&identity, &share));
        assert!(right);
        let shares: Vec<_> = keys.shares.iter().rev().map(|share| share.release(&identity)).collect();
        let (combine, combined) = least(5, || committee.combine(&identity, &shares).expect("right shares"));
        let mut one_wrong = shares.clone();
        one_wrong[0] = keys.shares[usize::from(members - 1)].release(&Identity(Digest::of(b"another")));
        let (name, named) = least(3, || {
            committee.combine(&identity, &one_wrong).expect("enough are right")
        });
        assert_eq!(named.wrong, [members - 1]);
        let (open, key) = least(20, || ciphertext.open(&combined.released, b"blob").expect("its key"));
        assert_eq!(key.as_bytes(), content.as_bytes());
        println!(
            "{threshold} of {members}: seal {seal:.0} us; a member's share {release:.0} us; read {decode:.0} us and verify \
             {verify:.0} us a share; combine {combine:.0} us, with a wrong share named {name:.0} us; open {open:.0} us; read \
             the committee's keys {read:.0} us"
        );
        objects.push(format!(
            "\"{threshold}_of_{members}\":{{\"seal_us\":{seal:.0},\"release_us\":{release:.0},\"read_share_us\":{decode:.0},\
             \"verify_us\":{verify:.0},\"combine_us\":{combine:.0},\"combine_one_wrong_us\":{name:.0},\"open_us\":{open:.0},\
             \"read_committee_us\":{read:.0}}}"
        ));
    }
    println!("{{{}}}", objects.join(","));
}
