//! `varsTemplate`: Go's template language with the functions of sprig that specifications use.
//!
//! Called by `evaluate.rs` for every rule with a template whose terms matched. A template comes from a stranger, so
//! everything it can cost is bounded in `limits.rs`, and functions that depend on time, chance, secrets or the machine
//! are refused. Rules: Go 1.26 `text/template` with `missingkey=error`, sprig 3.3.0; checked against both by
//! `tests/template.rs`.
//!
//! | file | what |
//! |---|---|
//! | `lexer.rs`, `literal.rs`, `parser.rs`, `ast.rs` | text to tree |
//! | `execute.rs` | walks the tree |
//! | `value.rs`, `semantic_version.rs`, `heap.rs` | values, their Go types, and what counts their cost |
//! | `functions.rs`, `arguments.rs` | the table of all functions, and what they are called with |
//! | `builtins.rs`, `sprig/` | the functions |
//! | `printf.rs`, `float.rs`, `quote.rs`, `unicode.rs` | Go's `fmt`, `strconv` and `unicode` |

mod arguments;
mod ast;
mod builtins;
mod execute;
mod float;
mod functions;
mod heap;
mod lexer;
mod literal;
mod parser;
mod printf;
mod quote;
mod semantic_version;
mod sprig;
mod unicode;
mod value;

use thiserror::Error;

use super::matched::Matched;
use crate::limits;
use heap::Heap;
use value::Fault;

pub use functions::{Family, function_list};

/// Why a template gave no variables.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// The text is no template.
    #[error("line {line}: {reason}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The template failed over this data; NFD's would as well.
    #[error("line {line}: {reason}")]
    Execution {
        /// The line, from 1.
        line: usize,
        /// What went wrong.
        reason: String,
    },
    /// The template called a function that is refused here.
    #[error("line {line}: function `{function}` is not supported")]
    Unsupported {
        /// The line, from 1.
        line: usize,
        /// The function.
        function: &'static str,
    },
    /// The template costs more than is allowed.
    #[error("the template needs more than {limit} {what}")]
    Limit {
        /// What is bounded.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// A line of the output is not `key=value`.
    #[error("output line {line:?} has no `=`; lines are `key=value`")]
    OutputLine {
        /// The line, cut to a readable length.
        line: String,
    },
}

/// Runs a template over the matched elements and reads its output as variables, in the order of its lines.
pub fn execute(source: &str, data: &Matched) -> Result<Vec<(String, String)>, TemplateError> {
    variables(&render(source, data)?)
}

/// The text a template gives; bytes that are not UTF-8 are replaced.
pub fn render(source: &str, data: &Matched) -> Result<String, TemplateError> {
    Execution::new(source, data).output
}

/// What can be said about a template without running it, for the linter: whether it is one, and which of the
/// functions it names are refused here.
pub fn inspect(source: &str) -> Result<Vec<&'static str>, TemplateError> {
    if source.len() > limits::TEMPLATE_BYTES {
        let limit = limits::TEMPLATE_BYTES;
        return Err(TemplateError::Limit { what: "bytes of text", limit });
    }
    parser::parse(source)?;
    let named = lexer::tokens(source)?.into_iter().filter(|t| t.kind == lexer::Kind::Identifier);
    let mut refused: Vec<&'static str> = named
        .filter_map(|token| functions::find(token.text))
        .filter(|function| function.family == Family::Refused)
        .map(|function| function.name)
        .collect();
    refused.sort_unstable();
    refused.dedup();
    Ok(refused)
}

/// One execution and what it cost.
pub struct Execution {
    output: Result<String, TemplateError>,
    /// The steps it took, of [`limits::TEMPLATE_STEPS`] or a little more.
    pub steps: usize,
}

impl Execution {
    /// Runs a template.
    pub fn new(source: &str, data: &Matched) -> Execution {
        let heap = Heap::default();
        let output = output(source, data, &heap);
        Execution { output, steps: heap.steps().min(limits::TEMPLATE_STEPS) }
    }

    /// The variables in its output, in the order of its lines.
    pub fn variables(self) -> Result<Vec<(String, String)>, TemplateError> {
        variables(&self.output?)
    }
}

fn output(source: &str, data: &Matched, heap: &Heap) -> Result<String, TemplateError> {
    if source.len() > limits::TEMPLATE_BYTES {
        let limit = limits::TEMPLATE_BYTES;
        return Err(TemplateError::Limit { what: "bytes of text", limit });
    }
    let templates = parser::parse(source)?;
    let data = heap.matched(data).map_err(|fault| at_line(1, fault))?;
    match execute::run(&templates, heap, data) {
        Ok(output) => Ok(String::from_utf8_lossy(&output).into_owned()),
        Err(stop) => Err(at_line(stop.line, stop.fault)),
    }
}

fn at_line(line: usize, fault: Fault) -> TemplateError {
    match fault {
        Fault::Failed(reason) => {
            TemplateError::Execution { line, reason: super::quote::cut(&reason, 300) }
        }
        Fault::Unsupported(function) => TemplateError::Unsupported { line, function },
        Fault::Limit(what, limit) => TemplateError::Limit { what, limit },
    }
}

/// Reads `key=value` lines. NFD: lines are trimmed, blank ones skipped, key and value are not trimmed further.
fn variables(output: &str) -> Result<Vec<(String, String)>, TemplateError> {
    let lines = output.split('\n').map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| match line.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(TemplateError::OutputLine { line: super::quote::cut(line, 80) }),
        })
        .collect()
}
