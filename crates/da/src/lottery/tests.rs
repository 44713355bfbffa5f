use super::*;

const ROOT: BlobRoot = BlobRoot(B256::repeat_byte(3));
const ACCOUNT: Address = Address::repeat_byte(4);

fn draw(target: U256) -> Draw {
    Draw {
        number: 1,
        seed: B256::repeat_byte(5),
        target,
    }
}

fn all() -> RowSet {
    (0..3072).collect()
}

/// A target of `1 / (4 pieces)` of all hashes: a quarter of the rows win, whatever their length, and all their pieces are asked for.
#[test]
fn a_row_wins_in_proportion_to_its_pieces_and_any_of_them_may_be_asked_for() {
    for row_bytes in [128, 1024, 3072, 128 * 1024] {
        let pieces = chunks(row_bytes);
        let draw = draw(U256::MAX / U256::from(4 * pieces));
        let winners = draw.winners(ROOT, row_bytes, &all(), ACCOUNT);
        assert!((650..890).contains(&winners.len()), "{} of 3072", winners.len());
        let asked: std::collections::BTreeSet<u32> = winners.iter().map(|piece| piece.chunk).collect();
        assert!(asked.iter().all(|chunk| *chunk < pieces));
        assert!(
            asked.len() as u32 * 10 >= pieces * 9,
            "{} of {pieces} pieces",
            asked.len()
        );
    }
}

#[test]
fn another_seed_blob_or_account_wins_with_other_rows() {
    let base = draw(U256::MAX / U256::from(4));
    let winners = |draw: Draw, root, account| draw.winners(root, 128, &all(), account);
    let first = winners(base, ROOT, ACCOUNT);
    let other = Draw {
        seed: B256::ZERO,
        ..base
    };
    assert_ne!(first, winners(other, ROOT, ACCOUNT));
    assert_ne!(first, winners(base, BlobRoot(B256::ZERO), ACCOUNT));
    assert_ne!(first, winners(base, ROOT, Address::ZERO));
    assert!(winners(draw(U256::ZERO), ROOT, ACCOUNT).is_empty());
}
