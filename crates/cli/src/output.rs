//! What a command prints and how it ends: one place for text, JSON, progress, errors and exit codes.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use std::{fmt::Display, io::IsTerminal, time::Duration};

/// Exit codes, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ExitCode {
    /// It was done.
    Done = 0,
    /// It was not done; standard error says why and what to try.
    Failed = 1,
    // 2, a command line that is not understood, is set by the argument parser.
    /// It was done, but some checks could not be made; the output says which.
    DoneWithSkippedChecks = 3,
    /// The account cannot pay for it.
    InsufficientFunds = 4,
}

/// A command's failure with the exit code it deserves.
#[derive(Debug)]
pub struct Failure {
    /// What went wrong, outermost first.
    pub error: anyhow::Error,
    /// Exit code.
    pub code: ExitCode,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let poor = error
            .chain()
            .any(|cause| cause.to_string().contains("insufficient funds"));
        let code = if poor {
            ExitCode::InsufficientFunds
        } else {
            ExitCode::Failed
        };
        Self { error, code }
    }
}

/// Where a command's words go.
pub struct Output {
    json: bool,
}

impl Output {
    /// Text for people, or one JSON value for scripts.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether standard output is for a script.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a result: its text, or its JSON.
    pub fn value(&self, value: &(impl Serialize + Display)) {
        if self.json {
            println!("{}", serde_json::to_string(value).expect("results are plain data"));
        } else {
            println!("{value}");
        }
    }

    /// Says something on the way to the result; scripts do not hear it.
    pub fn say(&self, line: impl Display) {
        if !self.json {
            println!("{line}");
        }
    }

    /// A bar over `length` rows, rounds or requests of a named step, on standard error; drawn only for people at a terminal.
    pub fn bar(&self, step: &str, length: u64) -> ProgressBar {
        let template = "  {msg:28} {bar:30} {pos}/{len} {eta}";
        let bar = ProgressBar::with_draw_target(Some(length), self.target());
        bar.set_style(ProgressStyle::with_template(template).expect("a template written here"));
        bar.set_message(step.to_owned());
        bar
    }

    /// A spinner for a step of unknown length.
    pub fn spinner(&self, step: &str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(None, self.target());
        bar.set_style(ProgressStyle::with_template("  {msg} {spinner} {elapsed}").expect("a template written here"));
        bar.set_message(step.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    fn target(&self) -> ProgressDrawTarget {
        if !self.json && std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        }
    }

    /// Ends a command: prints its failure, if any, and gives its exit code.
    pub fn end(&self, result: Result<ExitCode, Failure>) -> ExitCode {
        match result {
            Ok(code) => code,
            Err(Failure { error, code }) => {
                if self.json {
                    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
                    println!("{}", json!({ "error": causes.join(": "), "causes": causes }));
                } else {
                    eprintln!("error: {error}");
                    for cause in error.chain().skip(1) {
                        eprintln!("  because: {cause}");
                    }
                }
                code
            }
        }
    }
}
