//! The one text of a request and of an answer.
//!
//! Fields in a fixed order, no spaces, parameters sorted by name, floats in their shortest digits: equal values have equal
//! bytes, so a hash of the text names the value and an answer can be recomputed and compared bit for bit.

use super::{InferRequest, InferResponse, Parameter, Tensor};
use std::{collections::BTreeMap, fmt::Write as _};

/// Appends `text` as a JSON string.
pub(super) fn push_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a string is always JSON"));
}

fn push_key(out: &mut String, key: &str) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
    push_text(out, key);
    out.push(':');
}

/// Appends the fields that requests and answers share: model, version, and an id where there is one.
fn push_head(out: &mut String, name: &str, version: &str, id: &str) {
    push_key(out, "model_name");
    push_text(out, name);
    push_key(out, "model_version");
    push_text(out, version);
    if !id.is_empty() {
        push_key(out, "id");
        push_text(out, id);
    }
}

/// Appends a tensor without its closing brace: name, shape, datatype.
fn push_tensor_head(out: &mut String, tensor: &Tensor) {
    out.push('{');
    push_key(out, "name");
    push_text(out, tensor.name());
    push_key(out, "shape");
    out.push('[');
    for (index, side) in tensor.shape().iter().enumerate() {
        write!(out, "{}{side}", if index > 0 { "," } else { "" }).expect("a string takes any text");
    }
    out.push(']');
    push_key(out, "datatype");
    push_text(out, tensor.datatype().name());
}

fn push_tensors<'a>(out: &mut String, tensors: impl Iterator<Item = &'a Tensor>, binary: &dyn Fn(&str) -> bool) {
    out.push('[');
    for (index, tensor) in tensors.enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_tensor_head(out, tensor);
        if binary(tensor.name()) {
            push_key(out, "parameters");
            write!(out, "{{\"binary_data_size\":{}}}", tensor.bytes().len()).expect("a string takes any text");
        } else {
            push_key(out, "data");
            tensor.write_json_data(out);
        }
        out.push('}');
    }
    out.push(']');
}

fn push_parameters(out: &mut String, parameters: &BTreeMap<String, Parameter>) {
    if parameters.is_empty() {
        return;
    }
    push_key(out, "parameters");
    out.push('{');
    for (name, value) in parameters {
        push_key(out, name);
        match value {
            Parameter::Bool(value) => write!(out, "{value}"),
            Parameter::Integer(value) => write!(out, "{value}"),
            Parameter::Number(value) => write!(out, "{value:?}"),
            Parameter::Text(value) => {
                push_text(out, value);
                Ok(())
            }
        }
        .expect("a string takes any text");
    }
    out.push('}');
}

/// The canonical text of `request`.
pub(super) fn request(request: &InferRequest) -> String {
    let mut out = String::from("{");
    push_head(&mut out, &request.model_name, &request.model_version, &request.id);
    push_parameters(&mut out, &request.parameters);
    push_key(&mut out, "inputs");
    push_tensors(&mut out, request.inputs.iter(), &|_| false);
    if !request.outputs.is_empty() {
        push_key(&mut out, "outputs");
        out.push('[');
        for (index, name) in request.outputs.iter().enumerate() {
            out.push_str(if index > 0 { ",{" } else { "{" });
            push_key(&mut out, "name");
            push_text(&mut out, name);
            out.push('}');
        }
        out.push(']');
    }
    out.push('}');
    out
}

/// The text of `response`, canonical where `binary` names no output; the bytes of those it names follow the text.
pub(super) fn response(response: &InferResponse, binary: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::from("{");
    push_head(&mut out, &response.model_name, &response.model_version, &response.id);
    push_key(&mut out, "outputs");
    push_tensors(&mut out, response.outputs.iter(), binary);
    out.push('}');
    out
}
