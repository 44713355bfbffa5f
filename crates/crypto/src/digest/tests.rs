use super::*;

#[test]
fn every_row_leads_to_the_root_of_its_group_and_to_no_other() {
    let rows: Vec<[u8; 128]> = (0..96).map(|row| [row; 128]).collect();
    let tree = RowTree::of_rows(rows.iter().map(|row| &row[..]));
    assert_eq!(tree.group_roots().len(), 3);
    for (index, row) in rows.iter().enumerate() {
        let root = root_of_path(index as u32, row_digest(row), &tree.path(index as u32));
        for (group, expected) in tree.group_roots().iter().enumerate() {
            assert_eq!(root == *expected, group == index / GROUP_ROWS);
        }
    }
}

/// Counts about those of lanes, so that some are left over.
#[test]
fn paths_followed_together_lead_where_each_does() {
    let rows: Vec<[u8; 128]> = (0..96).map(|row| [row; 128]).collect();
    let tree = RowTree::of_rows(rows.iter().map(|row| &row[..]));
    let paths: Vec<_> = (0..96).map(|row| tree.path(row * 7 % 96)).collect();
    for count in [0, 1, 7, 8, 9, 15, 16, 17, 96] {
        let asked = (0..count).map(|row| (row, tree.digest(row), &paths[row as usize]));
        let expected: Vec<Digest> = asked
            .clone()
            .map(|(row, digest, path)| root_of_path(row, digest, path))
            .collect();
        assert_eq!(roots_of_paths(asked), expected, "{count} paths");
    }
}

#[test]
fn a_row_does_not_open_at_another_place_of_its_group() {
    let rows: Vec<[u8; 128]> = (0..32).map(|row| [row; 128]).collect();
    let tree = RowTree::of_rows(rows.iter().map(|row| &row[..]));
    for place in (0..32).filter(|&place| place != 5) {
        assert_ne!(
            root_of_path(place, tree.digest(5), &tree.path(5)),
            tree.group_roots()[0]
        );
    }
}

#[test]
fn two_children_hashed_as_a_row_are_not_their_parent() {
    let digests: Vec<Digest> = (0..32).map(|row| Digest::from([row; 32])).collect();
    let children = [[0; 32], [1; 32]].concat();
    assert_ne!(row_digest(&children), RowTree::of_digests(&digests).path(2)[1]);
}

/// Lengths about those of a block, a chunk and trees of both even and odd shape; counts about those of lanes.
#[test]
fn rows_side_by_side_have_the_digests_of_each() {
    let content: Vec<u8> = (0..40_000u32).map(|index| ((index * index) >> 5) as u8).collect();
    for row_bytes in [0, 1, 63, 64, 128, 960, 1024, 1088, 2048, 3072, 7232] {
        for count in [0, 1, 8, 15, 16, 17, 40] {
            let rows: Vec<&[u8]> = (0..count).map(|row| &content[row * 701..][..row_bytes]).collect();
            let expected: Vec<Digest> = rows.iter().map(|row| row_digest(row)).collect();
            assert!(row_digests(&rows) == expected, "{count} rows of {row_bytes}");
        }
    }
}
