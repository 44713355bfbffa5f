//! docs/cli.md is what the binary itself prints; `UPDATE=1` writes it anew.

use super::workspace_root;
use std::{fs, process::Command};

/// Every verb that a user is shown, as typed after `aloft`.
const VERBS: &[&[&str]] = &[
    &[],
    &["demo"],
    &["up"],
    &["put"],
    &["get"],
    &["ls"],
    &["stat"],
    &["cost"],
    &["readers"],
    &["readers", "key"],
    &["readers", "list"],
    &["readers", "add"],
    &["readers", "remove"],
    &["da"],
    &["da", "sample"],
    &["da", "challenge"],
    &["da", "widen"],
    &["da", "narrow"],
    &["da", "escrow"],
    &["da", "escrow", "show"],
    &["da", "escrow", "deposit"],
    &["da", "escrow", "leave"],
    &["da", "escrow", "withdraw"],
    &["da", "quorums"],
    &["da", "quorum"],
    &["da", "quorum", "create"],
    &["da", "quorum", "open"],
    &["da", "quorum", "join"],
    &["da", "quorum", "leave"],
    &["da", "policy"],
    &["da", "policy", "create"],
    &["da", "policy", "allow"],
    &["da", "policy", "deny"],
    &["da", "policy", "buy"],
    &["da", "policy", "show"],
    &["da", "policy", "apply"],
    &["da", "policy", "lift"],
    &["infer"],
    &["verify"],
    &["verify", "receipt"],
    &["balance"],
    &["send"],
    &["chain"],
    &["chain", "block"],
    &["chain", "tx"],
    &["chain", "call"],
    &["chain", "send"],
    &["chain", "logs"],
    &["chain", "validators"],
    &["chain", "beacon"],
    &["chain", "checkpoints"],
    &["chain", "stake"],
    &["shard"],
    &["shard", "add"],
    &["shard", "list"],
    &["shard", "send"],
    &["shard", "retire"],
    &["shard", "run"],
    &["stake"],
    &["stake", "show"],
    &["stake", "deposit"],
    &["stake", "leave"],
    &["stake", "withdraw"],
    &["operator"],
    &["operator", "register"],
    &["operator", "join"],
    &["operator", "leave"],
    &["operator", "show"],
    &["node"],
    &["node", "keys"],
    &["node", "join"],
    &["node", "run"],
    &["node", "status"],
];

fn help(verb: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aloft"));
    // The environment must not show through: defaults from variables would make the page another on every machine.
    command.args(verb).arg("--help").env_clear().env("COLUMNS", "100");
    let output = command.output().expect("the binary runs");
    assert!(output.status.success(), "aloft {} --help", verb.join(" "));
    String::from_utf8(output.stdout).expect("help is text")
}

#[test]
fn the_reference_page_is_what_the_binary_prints() {
    let mut page = String::from("# `aloft`: every verb\n\nPrinted by the binary; a test keeps it so.\n");
    for verb in VERBS {
        let name = ["aloft"]
            .iter()
            .chain(verb.iter())
            .copied()
            .collect::<Vec<_>>()
            .join(" ");
        let text: Vec<String> = help(verb).lines().map(|line| line.trim_end().to_owned()).collect();
        page += &format!("\n## `{name}`\n\n```text\n{}\n```\n", text.join("\n").trim_end());
    }
    let path = workspace_root().join("docs/cli.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &page).expect("write docs/cli.md");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/cli.md is out of date: UPDATE=1 cargo test --release -p cli"
    );
}

/// The page must not leave a verb out because somebody forgot to list it here.
#[test]
fn every_verb_that_help_lists_is_on_the_page() {
    let listed = help(&[]);
    let commands = listed.split("Commands:").nth(1).expect("help lists commands");
    // A line that goes on from the one before begins further in.
    let lines = commands.lines().skip(1).take_while(|line| line.starts_with("  "));
    for line in lines.filter(|line| !line.starts_with("   ")) {
        let name = line.split_whitespace().next().expect("a name");
        assert!(
            name == "help" || VERBS.iter().any(|verb| verb.first() == Some(&name)),
            "{name} is not on the page"
        );
    }
}

/// An example is the part of a help text that is read.
#[test]
fn every_verb_shows_an_example() {
    let is_group = |verb: &&[&str]| {
        VERBS
            .iter()
            .any(|other| other.len() > verb.len() && other.starts_with(verb))
    };
    for verb in VERBS.iter().copied().filter(|verb| !is_group(verb)) {
        assert!(
            help(verb).contains("Example: aloft"),
            "aloft {} --help has no example",
            verb.join(" ")
        );
    }
}
