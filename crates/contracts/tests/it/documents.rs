//! docs/contracts.md is printed by the crate.

use std::{fs, path::Path};

#[test]
fn the_contracts_page_is_up_to_date() {
    let path = Path::new("../../docs/contracts.md");
    let expected = contracts::docs();
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(path, &expected).expect("docs can be written");
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/contracts.md is not what the contracts say; run this test with UPDATE=1"
    );
}
