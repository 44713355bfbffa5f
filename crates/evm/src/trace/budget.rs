//! A bound on what a tracer records, counted beside it.

use super::GethDebugTracingOptions;
use revm::{
    Inspector,
    context_interface::{ContextError, ContextTr},
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter, interpreter_types::MemoryTr as _,
    },
};

/// Bytes that a recorded instruction takes, without its stack and memory.
const STEP_BYTES: usize = 256;
/// Bytes that a recorded call takes, without its input.
const CALL_BYTES: usize = 1024;
/// Bytes of a stack item.
const WORD_BYTES: usize = 32;

/// Counts what the tracer beside it records, and stops the execution when that is too much.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
    exceeded: bool,
    /// Whether instructions are recorded: only the default tracer does.
    steps: bool,
    /// Whether each instruction is recorded with the whole memory.
    memory: bool,
}

impl Budget {
    pub(super) fn new(options: &GethDebugTracingOptions, bytes: usize) -> Self {
        let default = options.tracer.as_ref().is_none_or(|tracer| tracer.as_str().is_empty());
        Self {
            left: bytes,
            exceeded: false,
            steps: default,
            memory: default && options.config.is_memory_enabled(),
        }
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.exceeded
    }

    fn spend(&mut self, bytes: usize, context: &mut impl ContextTr) {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => {
                self.exceeded = true;
                *context.error() = Err(ContextError::Custom("the trace is too large".into()));
            }
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Budget {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut CTX) {
        if self.exceeded {
            interpreter.halt_fatal();
            return;
        }
        if !self.steps {
            return;
        }
        let memory = if self.memory { interpreter.memory.size() } else { 0 };
        self.spend(STEP_BYTES + WORD_BYTES * interpreter.stack.len() + memory, context);
        if self.exceeded {
            interpreter.halt_fatal();
        }
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.spend(CALL_BYTES + inputs.input.len(), context);
        None
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.spend(CALL_BYTES + inputs.init_code().len(), context);
        None
    }
}
