//! `aloft infer`

use super::{
    connection::{Connection, parse_decimal, usdx},
    done,
};
use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use client::{Buyer, receipts};
use compute::inference::{InferRequest, Tensor};
use node::ROWS_INPUT;
use primitives::{B256, U256};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, path::Path};

/// Most bytes of an input file.
const MAX_INPUT_BYTES: u64 = 4 << 20;

/// Ask a model, and pay for the answer from a payment channel: one signature, no transaction, at most --max-price.
///
/// Example: aloft infer harvest '[[0.1, -0.4, 1.0]]'
#[derive(clap::Args)]
pub struct Infer {
    /// The model's name.
    model: String,
    /// Rows of numbers as JSON, such as [[1,2],[3,4]], or a file that holds them.
    input: String,
    /// The most to pay, in USDX.
    #[arg(long, default_value = "0.1", value_name = "USDX")]
    max_price: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Answer {
    model: String,
    version: String,
    outputs: Vec<OutputTensor>,
    price_micro_usdx: u128,
    receipt: B256,
    deposit_transaction: Option<B256>,
}

#[derive(Serialize)]
struct OutputTensor {
    name: String,
    rows: Vec<Vec<f32>>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for output in &self.outputs {
            for row in &output.rows {
                writeln!(
                    f,
                    "{}",
                    row.iter().map(ToString::to_string).collect::<Vec<_>>().join("  ")
                )?;
            }
        }
        if let Some(deposit) = self.deposit_transaction {
            writeln!(f, "deposit  {deposit}")?;
        }
        writeln!(
            f,
            "price    {} USDX, {} version {}",
            usdx(U256::from(self.price_micro_usdx)),
            self.model,
            self.version
        )?;
        write!(
            f,
            "receipt  {}      check it: aloft verify receipt {}",
            self.receipt, self.receipt
        )
    }
}

impl Infer {
    /// Asks and pays.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let limit = parse_decimal(&self.max_price, 6)
            .map_err(anyhow::Error::msg)
            .context("read --max-price")?;
        let limit = u128::try_from(limit).context("read --max-price")?;
        let rows = read_rows(&self.input)?;
        let width = rows[0].len();
        let values: Vec<f32> = rows.concat();
        let tensor = Tensor::fp32(ROWS_INPUT, &[rows.len() as u64, width as u64], &values).context("read the input")?;
        let request = InferRequest {
            model_name: self.model,
            model_version: String::new(),
            id: String::new(),
            parameters: BTreeMap::new(),
            inputs: vec![tensor],
            outputs: vec![],
        };
        let mut buyer = Buyer::new(&self.connection.api, self.connection.provider().await?);
        let inference = buyer.infer(&request, limit).await?;
        if let Some(salt) = &inference.salt
            && let Err(error) = receipts::keep(inference.receipt, salt)
        {
            // The answer is paid for: a full disk must not cost the user the answer, too.
            let salt = primitives::B256::from(*salt);
            eprintln!("warning: the receipt's salt was not kept ({error}); to verify, give --salt {salt}");
        }
        let outputs = inference
            .response
            .outputs
            .iter()
            .map(output_rows)
            .collect::<anyhow::Result<_>>()?;
        let answer = Answer {
            model: inference.response.model_name,
            version: inference.response.model_version,
            outputs,
            price_micro_usdx: inference.price,
            receipt: inference.receipt,
            deposit_transaction: inference.deposit,
        };
        done(output, &answer)
    }
}

/// Rows of numbers, all of one width, at least one.
fn read_rows(input: &str) -> anyhow::Result<Vec<Vec<f32>>> {
    let text = if input.trim_start().starts_with('[') {
        input.to_owned()
    } else {
        let path = Path::new(input);
        let read = || format!("read {}", path.display());
        let length = std::fs::metadata(path).with_context(read)?.len();
        anyhow::ensure!(
            length <= MAX_INPUT_BYTES,
            "{} has {length} bytes, at most {MAX_INPUT_BYTES} are read",
            path.display()
        );
        std::fs::read_to_string(path).with_context(read)?
    };
    let rows: Vec<Vec<f32>> =
        serde_json::from_str(&text).context("the input is rows of numbers, such as [[1,2],[3,4]]")?;
    let width = rows.first().map_or(0, Vec::len);
    anyhow::ensure!(width > 0, "the input has no numbers");
    let ragged = rows.iter().position(|row| row.len() != width);
    anyhow::ensure!(
        ragged.is_none(),
        "row {} has another width than row 1",
        ragged.unwrap_or(0) + 1
    );
    Ok(rows)
}

fn output_rows(tensor: &Tensor) -> anyhow::Result<OutputTensor> {
    let values = tensor
        .to_fp32()
        .with_context(|| format!("read output {}", tensor.name()))?;
    let width = tensor.shape().last().copied().unwrap_or(1).max(1) as usize;
    Ok(OutputTensor {
        name: tensor.name().into(),
        rows: values.chunks(width).map(<[f32]>::to_vec).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_is_not_rows_of_numbers_says_how_one_looks() {
        assert_eq!(read_rows("[[1, 2.5], [3, 4]]").unwrap(), [[1.0, 2.5], [3.0, 4.0]]);
        for (input, part) in [
            ("[1,2]", "rows of numbers"),
            ("[]", "no numbers"),
            ("[[1],[2,3]]", "row 2"),
            ("/no/such", "/no/such"),
        ] {
            assert!(read_rows(input).unwrap_err().to_string().contains(part), "{input}");
        }
    }
}
