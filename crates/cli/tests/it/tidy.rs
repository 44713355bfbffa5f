//! The workspace's structure, held to what ARCHITECTURE.md says of it.

use super::workspace_root;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Crate name to the workspace crates it may import, read from the table in ARCHITECTURE.md.
fn allowed_imports() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(workspace_root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let table = text
        .split("| crate | one line | may import |")
        .nth(1)
        .expect("the import table");
    let mut allowed = BTreeMap::new();
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let imports = cells[3]
            .split_whitespace()
            .filter(|word| *word != "–")
            .map(str::to_owned)
            .collect();
        allowed.insert(cells[1].to_owned(), imports);
    }
    allowed
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(workspace_root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

/// Imports point one way: an arrow that the table does not have is a wall in the wrong place.
#[test]
fn crates_import_only_what_the_architecture_page_allows() {
    let allowed = allowed_imports();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let members: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    assert_eq!(
        members,
        allowed.keys().map(String::as_str).collect(),
        "the table lists each crate once"
    );
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let import = dependency["name"].as_str().expect("a name");
            let normal = dependency["kind"].is_null();
            if normal && members.contains(import) {
                assert!(
                    allowed[name].contains(import),
                    "{name} imports {import}, which ARCHITECTURE.md does not allow"
                );
            }
        }
    }
}

/// The table itself must order the crates, or "one way" would mean nothing.
#[test]
fn the_import_table_has_no_circle() {
    let allowed = allowed_imports();
    let mut placed = BTreeSet::new();
    while placed.len() < allowed.len() {
        let before = placed.len();
        for (name, imports) in &allowed {
            if imports.is_subset(&placed) {
                placed.insert(name.clone());
            }
        }
        assert!(
            placed.len() > before,
            "crates in a circle: {:?}",
            allowed.keys().filter(|name| !placed.contains(*name))
        );
    }
}
