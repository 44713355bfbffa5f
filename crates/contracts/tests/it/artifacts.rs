//! The committed bytecode is what the committed Solidity compiles to.

use std::{path::Path, process::Command};

const INSTALL: &str =
    "install Node.js 20 or later (nodejs.org, or `apt-get install nodejs npm`), which this test needs";

#[test]
fn the_artifacts_are_what_the_sources_compile_to() {
    let home = Path::new("../../contracts");
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(home)
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}; {INSTALL}"));
        assert!(
            output.status.success(),
            "{program} {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    };
    if !home.join("node_modules/solc").exists() || !home.join("node_modules/@openzeppelin").exists() {
        run("npm", &["ci", "--no-audit", "--no-fund"]);
    }
    run("node", &["build.mjs", "--check"]);
}

/// The clients of x402 have these two addresses built in; ours begin alike.
#[test]
fn every_contract_is_at_its_own_address() {
    let contracts = contracts::genesis_contracts();
    for contract in &contracts {
        assert!(contract.init_code.len() <= 49_152, "{}: EIP-3860", contract.name);
        assert_eq!(
            contracts
                .iter()
                .filter(|other| other.address == contract.address)
                .count(),
            1
        );
        let text = contract.address.to_string().to_lowercase();
        assert!(
            text.starts_with("0xa10f7") || text.starts_with("0x4020"),
            "{}",
            contract.name
        );
    }
}
