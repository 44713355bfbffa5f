//! Checking a receipt, line by line: who signed it, for which model, over which request and answer, and whether computing
//! it again gives the same bits.

use super::{SignedReceipt, VerifyClass, request_hash, response_hash};
use primitives::{Address, BlobRoot};
use serde::Serialize;
use std::fmt;

/// What a receipt's hashes commit to. Private: whoever has it knows the request and the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What the hashes are salted with.
    pub salt: [u8; 32],
    /// The request's canonical text.
    pub request: Vec<u8>,
    /// The answer's canonical text.
    pub response: Vec<u8>,
}

/// Computes the canonical text of the answer to a canonical text, or says why it cannot.
pub type Reexecute<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<u8>, String>;

/// One thing a receipt claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The signature is the provider's.
    Signature,
    /// The model is the one expected.
    ModelRoot,
    /// The request is the one that was sent.
    RequestHash,
    /// The answer is the one that was received.
    ResponseHash,
    /// The request computed again gives the answer, bit for bit.
    Reexecution,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "why")]
pub enum Finding {
    /// It holds.
    True,
    /// It does not, and this is why.
    False(String),
    /// It was not checked, and this is why.
    Unchecked(String),
}

/// The checks in order, each with its finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// One line a check.
    pub lines: Vec<(Check, Finding)>,
}

impl Verdict {
    /// Whether every check was made and holds.
    pub fn holds(&self) -> bool {
        self.lines.iter().all(|(_, finding)| *finding == Finding::True)
    }

    /// Whether some check was made and does not hold: the receipt, the provider or the evidence is wrong.
    pub fn is_refuted(&self) -> bool {
        self.lines
            .iter()
            .any(|(_, finding)| matches!(finding, Finding::False(_)))
    }
}

impl fmt::Display for Verdict {
    /// One line a check: `signature       true`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (check, finding) in &self.lines {
            let name = match check {
                Check::Signature => "signature",
                Check::ModelRoot => "model root",
                Check::RequestHash => "request hash",
                Check::ResponseHash => "response hash",
                Check::Reexecution => "re-execution",
            };
            match finding {
                Finding::True => writeln!(f, "{name:<14} true")?,
                Finding::False(why) => writeln!(f, "{name:<14} FALSE: {why}")?,
                Finding::Unchecked(why) => writeln!(f, "{name:<14} not checked: {why}")?,
            }
        }
        Ok(())
    }
}

/// Checks a receipt against the provider and the model expected, the evidence, and the computation itself.
///
/// `reexecute` runs the model whose weights are at `model_root`; `None` leaves that line unchecked. All lines are always
/// checked, so that one verdict tells everything that is wrong.
pub fn verify(
    signed: &SignedReceipt,
    provider: Address,
    model_root: BlobRoot,
    evidence: &Evidence,
    reexecute: Option<Reexecute<'_>>,
) -> Verdict {
    let receipt = &signed.receipt;
    let differs = |what: &str, got: &dyn fmt::Display, wanted: &dyn fmt::Display| {
        Finding::False(format!("{what} is {got}, not {wanted}"))
    };
    let signature = match signed.signer() {
        Ok(signer) if signer == provider => Finding::True,
        Ok(signer) => differs("the signer", &signer, &provider),
        Err(error) => Finding::False(error.to_string()),
    };
    let model = if receipt.model_root == model_root {
        Finding::True
    } else {
        differs("the model", &receipt.model_root, &model_root)
    };
    let hashed = |got, wanted| {
        if got == wanted {
            Finding::True
        } else {
            differs("the hash", &got, &wanted)
        }
    };
    let request = hashed(request_hash(&evidence.salt, &evidence.request), receipt.request_hash);
    let response = hashed(response_hash(&evidence.salt, &evidence.response), receipt.response_hash);
    let reexecution = match (receipt.verify_class, reexecute) {
        (VerifyClass::Signed, _) => Finding::Unchecked("the provider promises a signature only".into()),
        (VerifyClass::Reexecutable, None) => Finding::Unchecked("the model is not at hand".into()),
        (VerifyClass::Reexecutable, Some(reexecute)) => match reexecute(&evidence.request) {
            Ok(again) if again == evidence.response => Finding::True,
            Ok(again) => Finding::False(first_difference(&evidence.response, &again)),
            Err(why) => Finding::Unchecked(format!("computing it again failed: {why}")),
        },
    };
    let lines = vec![
        (Check::Signature, signature),
        (Check::ModelRoot, model),
        (Check::RequestHash, request),
        (Check::ResponseHash, response),
        (Check::Reexecution, reexecution),
    ];
    Verdict { lines }
}

fn first_difference(answered: &[u8], again: &[u8]) -> String {
    let at = answered
        .iter()
        .zip(again)
        .position(|(a, b)| a != b)
        .unwrap_or(answered.len().min(again.len()));
    format!(
        "the answer has {} bytes, again {}; they first differ at byte {at}",
        answered.len(),
        again.len()
    )
}
