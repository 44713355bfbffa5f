use super::*;

#[test]
fn only_whole_blobs_and_later_cosets_are_shapes() {
    for k in [32, 64, 128, 256, 512, 1024] {
        for cosets in 2..=4 {
            let shape = Shape::whole(k, cosets).unwrap();
            assert_eq!(shape.rows(), 0..cosets * k);
            assert_eq!(shape.groups(), 0..(cosets * k) as usize / 32);
            assert!(!shape.is_added() && shape.cosets() == cosets);
            assert_eq!(shape.code().total_rows(), cosets * k);
        }
        for coset in 2..4 {
            let shape = Shape::coset(k, coset).unwrap();
            assert_eq!(shape.rows(), coset * k..(coset + 1) * k);
            assert!(shape.is_added() && shape.cosets() == coset + 1);
        }
        for (first, count) in [
            (0, k),
            (0, 5 * k),
            (0, 2 * k + 16),
            (k, k),
            (4 * k, k),
            (2 * k, 2 * k),
            (2 * k + 16, k),
            (u32::MAX, k),
            (0, 0),
        ] {
            assert!(Shape::new(k, first, count).is_err(), "{k}: {count} from {first}");
        }
    }
    for k in [0, 1, 16, 33, 1000, 2048, u32::MAX] {
        assert!(Shape::whole(k, 3).is_err() && Shape::coset(k, 2).is_err(), "{k}");
    }
}

#[test]
fn a_quorum_leaves_the_data_to_honest_operators_when_less_than_a_third_of_the_rows_lie() {
    for k in [32, 64, 128, 256, 512, 1024] {
        for cosets in 2..=4 {
            let shape = Shape::whole(k, cosets).unwrap();
            let liars = (shape.row_count() - 1) / 3;
            assert!(shape.quorum_rows() - liars > k - 1, "{shape}");
            assert!(3 * shape.quorum_rows() >= 2 * shape.row_count(), "{shape}");
        }
    }
    assert_eq!(Shape::STANDARD.quorum_rows(), 2048);
    assert_eq!(Shape::whole(1024, 2).unwrap().quorum_rows(), 1707);
    assert_eq!(Shape::whole(1024, 4).unwrap().quorum_rows(), 2731);
    assert_eq!(Shape::coset(1024, 3).unwrap().quorum_rows(), 683);
}

#[test]
fn rows_are_the_payload_over_the_data_rows_up_to_128_bytes() {
    for (k, length, bytes) in [
        (1024, 1, 128),
        (1024, 131_073, 256),
        (1024, 128 << 20, MAX_ROW_BYTES),
        (32, 1, 128),
        (32, 4096, 128),
        (32, 4097, 256),
    ] {
        assert_eq!(
            Shape::whole(k, 3).unwrap().row_bytes(length),
            bytes,
            "{length} over {k}"
        );
    }
    assert_eq!(Shape::whole(32, 3).unwrap().max_bytes(), 4 << 20);
}

/// The figures of the notes' table of availability, from an exact binomial sum.
#[test]
fn unreadable_is_the_binomial_tail() {
    // 10 of 30, 34 of 100, 200 of 600 operators.
    for (operators, cosets, availability, log10) in [
        (30, 3, 0.99, -34.9),
        (30, 3, 0.9, -14.2),
        (30, 3, 0.5, -1.7),
        (100, 3, 0.75, -17.9),
        (100, 2, 0.9, -24.2),
        (600, 3, 0.5, -16.2),
    ] {
        let found = unreadable(operators, availability, cosets).log10();
        assert!((found - log10).abs() < 0.1, "{operators}, {availability}: {found}");
    }
    assert_eq!(unreadable(4, 1.0, 3), 0.0);
    assert_eq!(unreadable(4, 0.0, 3), 1.0);
}

#[test]
fn the_shape_follows_the_committee_what_is_measured_and_how_long() {
    let conditions = Conditions {
        operators: 100,
        trusted: false,
        availability: 0.99,
        retention_blocks: 1 << 24,
        longest_bytes: 1 << 20,
    };
    let shape = |conditions: Conditions| conditions.shape();
    assert_eq!(shape(conditions), Shape::STANDARD);
    // Half of them are away at any time.
    let poor = Conditions {
        availability: 0.5,
        ..conditions
    };
    assert_eq!(shape(poor), Shape::whole(1024, 4).unwrap());
    let own = Conditions {
        trusted: true,
        ..conditions
    };
    assert_eq!(shape(own), Shape::whole(1024, 2).unwrap());
    let small = Conditions { operators: 8, ..own };
    assert_eq!(shape(small).data_rows(), 64);
    let long = Conditions {
        longest_bytes: 16 << 20,
        ..small
    };
    assert_eq!(shape(long).data_rows(), 128);
    // Eight that are there nine times of ten: three cosets do for an hour, four for a year.
    let hour = Conditions {
        availability: 0.9,
        retention_blocks: 14_400,
        ..small
    };
    let year = Conditions {
        retention_blocks: 1 << 26,
        ..hour
    };
    assert!(shape(hour).cosets() < shape(year).cosets() || shape(hour).cosets() == 4);
    // More of what makes blobs safe never takes a wider code.
    for operators in [4, 10, 50, 300] {
        let mut before = MAX_COSETS;
        for availability in [0.3, 0.6, 0.8, 0.9, 0.99, 1.0] {
            let cosets = shape(Conditions {
                operators,
                availability,
                ..conditions
            })
            .cosets();
            assert!(cosets <= before, "{operators} at {availability}");
            before = cosets;
        }
    }
}
