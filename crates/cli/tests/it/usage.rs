//! What scripts rely on: exit codes, JSON, and errors that say what to do, without a network.

use serde_json::Value;
use std::process::{Command, Output};

/// A port of loopback on which nothing listens: reserved, so no test server gets it either.
const NOBODY: &str = "http://127.0.0.1:1";

fn aloft(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aloft"))
        .args(arguments)
        .env_clear()
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_command_line_that_is_not_understood_ends_with_2() {
    for arguments in [
        &["fly"][..],
        &["put"],
        &["send", "nobody", "1"],
        &["demo", "--data", "x.csv"],
    ] {
        assert_eq!(aloft(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn without_a_network_a_command_fails_and_says_how_to_start_one() {
    let output = aloft(&["ls", "--rpc", NOBODY]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains(NOBODY) && error.contains("aloft up"), "{error}");
}

#[test]
fn with_json_an_error_is_one_json_value_too() {
    let output = aloft(&["--json", "balance", "--rpc", NOBODY]);
    assert_eq!(output.status.code(), Some(1));
    let value: Value = serde_json::from_slice(&output.stdout).expect("one JSON value");
    assert!(
        value["error"].as_str().is_some_and(|error| error.contains("aloft up")),
        "{value}"
    );
}

/// Nothing may be started, published or paid before the table was read.
#[test]
fn a_bad_table_ends_the_demo_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.csv");
    std::fs::write(&path, "farm,size,yield\na,1,2\nb,2,many\n").unwrap();
    let path = path.to_str().unwrap();
    let output = aloft(&["demo", "--data", path, "--group", "farm", "--target", "yield"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("line 3") && error.contains("yield"), "{error}");
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
}

#[test]
fn a_private_key_that_is_none_is_refused_and_not_repeated() {
    let secret = "0xdeadbeef";
    let output = aloft(&["balance", "--rpc", NOBODY, "--key", secret]);
    assert_eq!(output.status.code(), Some(1));
    let all = text(&output.stderr) + &text(&output.stdout);
    assert!(all.contains("--key") && !all.contains("deadbeef"), "{all}");
}

/// Nothing is fetched, nor kept, of a network whose first block nobody vouched for.
#[test]
fn a_node_joins_no_network_without_the_hash_of_its_first_block() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    let dir = own.to_str().unwrap();
    let output = aloft(&["node", "join", dir, "--follow", NOBODY]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains(dir) && error.contains("--genesis"), "{error}");
    let hash = format!("0x{}", "5e".repeat(32));
    let output = aloft(&["node", "join", dir, "--genesis", &hash, "--follow", NOBODY]);
    assert!(text(&output.stderr).contains(NOBODY));
    assert!(!own.exists());
}

#[test]
fn the_keys_of_a_node_are_made_once_for_their_owner_alone_and_shown_again() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    let dir = own.to_str().unwrap();
    let made = aloft(&["--json", "node", "keys", dir]);
    let again = aloft(&["--json", "node", "keys", dir]);
    assert_eq!(made.stdout, again.stdout);
    let keys: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(keys["vote_keys"].as_array().unwrap().len(), 8);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&own), mode(&own.join("seed"))), (0o700, 0o600));
    // Whoever acts with keys that are not there is told which.
    let none = folder.path().join("none");
    let error = aloft(&["operator", "show", "--keys", none.to_str().unwrap(), "--rpc", NOBODY]);
    assert!(text(&error.stderr).contains("none/seed"), "{}", text(&error.stderr));
}
