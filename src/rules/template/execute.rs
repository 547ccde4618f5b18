//! Runs a parsed template: walks its nodes, evaluates pipelines, and calls functions with Go's rules for arguments.
//!
//! Called by `mod.rs`. The rule is Go 1.26, `text/template/exec.go`, with the option `missingkey=error`. Depth of
//! templates and of open actions, steps, values and output are bounded by `limits.rs`.

use super::arguments::Arguments;
use super::ast::{Branches, Command, Name, Node, Operand, Pipeline, Templates};
use super::functions::{Body, Function, Parameter};
use super::heap::{ENTRY_BYTES, Heap};
use super::literal::Number;
use super::printf::text_of;
use super::value::{Fault, Value, failed};
use crate::limits;

/// Where and why an execution stopped.
#[derive(Debug)]
pub struct Stop {
    /// The line of the pipeline that ran last.
    pub line: usize,
    /// The reason.
    pub fault: Fault,
}

/// Runs the main template over `data`.
pub fn run(templates: &Templates, heap: &Heap, data: Value) -> Result<Vec<u8>, Stop> {
    let mut machine = Machine {
        templates,
        heap,
        output: Vec::new(),
        variables: Vec::new(),
        frame: 0,
        line: 1,
        open: 0,
        calls: 0,
    };
    let nodes = templates.get(&[][..]).map_or(&[][..], Vec::as_slice);
    match machine.template(nodes, data) {
        Ok(()) => Ok(machine.output),
        Err(fault) => Err(Stop { line: machine.line, fault }),
    }
}

/// How a list of nodes ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

struct Machine<'t> {
    templates: &'t Templates,
    heap: &'t Heap,
    output: Vec<u8>,
    variables: Vec<(Name, Value)>,
    /// Where the variables of the running template start.
    frame: usize,
    line: usize,
    /// Actions and parentheses open at the moment, over all templates.
    open: usize,
    /// Templates open at the moment.
    calls: usize,
}

impl<'t> Machine<'t> {
    fn template(&mut self, nodes: &'t [Node], dot: Value) -> Result<(), Fault> {
        let frame = std::mem::replace(&mut self.frame, self.variables.len());
        self.variables.push((Name::from("$"), dot.clone()));
        self.walk(nodes, &dot)?;
        self.variables.truncate(self.frame);
        self.frame = frame;
        Ok(())
    }

    fn walk(&mut self, nodes: &'t [Node], dot: &Value) -> Result<Flow, Fault> {
        self.open += 1;
        if self.open > limits::TEMPLATE_OPEN_ACTIONS {
            return Err(Fault::Limit("open actions", limits::TEMPLATE_OPEN_ACTIONS));
        }
        let mut flow = Flow::Next;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::Next {
                break;
            }
        }
        self.open -= 1;
        Ok(flow)
    }

    fn node(&mut self, node: &'t Node, dot: &Value) -> Result<Flow, Fault> {
        self.heap.step(1)?;
        match node {
            Node::Text(text) => self.write(text)?,
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    self.print(&value)?;
                }
            }
            Node::If(branches) => return self.branches(branches, dot, false),
            Node::With(branches) => return self.branches(branches, dot, true),
            Node::Range(pipeline, body, otherwise) => {
                return self.range(pipeline, body, otherwise, dot);
            }
            Node::Template(line, name, pipeline) => {
                self.line = *line;
                self.call_template(name, pipeline.as_ref(), dot)?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.output.len() + bytes.len() > limits::TEMPLATE_OUTPUT_BYTES {
            return Err(Fault::Limit("bytes of output", limits::TEMPLATE_OUTPUT_BYTES));
        }
        self.heap.step(bytes.len() / 64)?;
        self.output.extend_from_slice(bytes);
        Ok(())
    }

    fn print(&mut self, value: &Value) -> Result<(), Fault> {
        match value {
            Value::Nil => self.write(b"<no value>"),
            value => match text_of(self.heap, value)? {
                Value::Text(text) => self.write(&text),
                _ => Ok(()),
            },
        }
    }

    fn branches(&mut self, branches: &'t Branches, dot: &Value, with: bool) -> Result<Flow, Fault> {
        let scope = self.variables.len();
        let mut chosen = None;
        for (condition, body) in &branches.conditional {
            let value = self.pipeline(condition, dot)?;
            if value.is_true() {
                chosen = Some((value, body));
                break;
            }
        }
        let flow = match chosen {
            Some((value, body)) => self.walk(body, if with { &value } else { dot }),
            None => self.walk(&branches.otherwise, dot),
        }?;
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn range(
        &mut self,
        pipeline: &'t Pipeline,
        body: &'t [Node],
        otherwise: &'t [Node],
        dot: &Value,
    ) -> Result<Flow, Fault> {
        let scope = self.variables.len();
        let value = self.pipeline(pipeline, dot)?;
        let ran = match &value {
            Value::Int(count) => self.range_count(*count, Value::Int, pipeline, body)?,
            Value::Int64(count) => self.range_count(*count, Value::Int64, pipeline, body)?,
            Value::Uint8(count) => self.range_count(
                i64::from(*count),
                |index| Value::Uint8(u8::try_from(index).unwrap_or(u8::MAX)),
                pipeline,
                body,
            )?,
            Value::Uint64(count) => self.range_count(
                i64::try_from(*count).unwrap_or(i64::MAX),
                |index| Value::Uint64(index.unsigned_abs()),
                pipeline,
                body,
            )?,
            Value::List(list) => {
                let pairs = list.items().iter().enumerate();
                let pairs = pairs.map(|(index, item)| (Value::Int(index as i64), item.clone()));
                self.iterate(pairs, pipeline, body)?
            }
            Value::Map(map) => {
                self.heap.charge(map.entries().len() * ENTRY_BYTES)?;
                let entries = map.entries().clone();
                let pairs = entries.into_iter().map(|(key, item)| (Value::Text(key), item));
                self.iterate(pairs, pipeline, body)?
            }
            Value::Nil => false,
            other => return failed(format!("range can't iterate over {}", other.type_name())),
        };
        let flow = if ran { Flow::Next } else { self.walk(otherwise, dot)? };
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn range_count(
        &mut self,
        count: i64,
        value: impl Fn(i64) -> Value,
        pipeline: &'t Pipeline,
        body: &'t [Node],
    ) -> Result<bool, Fault> {
        if pipeline.variables.len() > 1 {
            return failed("a number has no elements for two variables");
        }
        self.iterate((0..count).map(|index| (Value::Nil, value(index))), pipeline, body)
    }

    /// Runs the body for every pair of index and element; false when there was none.
    fn iterate(
        &mut self,
        pairs: impl Iterator<Item = (Value, Value)>,
        pipeline: &'t Pipeline,
        body: &'t [Node],
    ) -> Result<bool, Fault> {
        let scope = self.variables.len();
        let mut ran = false;
        for (index, element) in pairs {
            ran = true;
            self.heap.step(1)?;
            self.set_range_variables(pipeline, index, &element)?;
            let flow = self.walk(body, &element)?;
            self.variables.truncate(scope);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(ran)
    }

    fn set_range_variables(
        &mut self,
        pipeline: &Pipeline,
        index: Value,
        element: &Value,
    ) -> Result<(), Fault> {
        let values = match pipeline.variables.as_slice() {
            [] => return Ok(()),
            [only] => [Some((only, element.clone())), None],
            [first, second, ..] => [Some((first, index)), Some((second, element.clone()))],
        };
        let declared = self.variables.len().saturating_sub(pipeline.variables.len());
        for (offset, (name, value)) in values.into_iter().flatten().enumerate() {
            if pipeline.assigns {
                self.assign(name, value)?;
            } else if let Some((_, slot)) = self.variables.get_mut(declared + offset) {
                *slot = value;
            }
        }
        Ok(())
    }

    fn call_template(
        &mut self,
        name: &[u8],
        pipeline: Option<&'t Pipeline>,
        dot: &Value,
    ) -> Result<(), Fault> {
        let templates = self.templates;
        let Some(nodes) = templates.get(name) else {
            return failed(format!("template {:?} is not defined", String::from_utf8_lossy(name)));
        };
        if self.calls >= limits::TEMPLATE_CALL_DEPTH {
            return Err(Fault::Limit("templates inside templates", limits::TEMPLATE_CALL_DEPTH));
        }
        let dot = match pipeline {
            Some(pipeline) => self.pipeline(pipeline, dot)?,
            None => Value::Nil,
        };
        self.calls += 1;
        self.template(nodes, dot)?;
        self.calls -= 1;
        Ok(())
    }

    fn slot(&mut self, name: &str) -> Result<&mut Value, Fault> {
        let frame = self.frame;
        let found = self.variables.iter().skip(frame).rposition(|(known, _)| &**known == name);
        let Some(index) = found.map(|index| index + frame) else {
            return failed(format!("undefined variable: {name}"));
        };
        self.heap.step((self.variables.len() - index) / 8)?;
        match self.variables.get_mut(index) {
            Some((_, value)) => Ok(value),
            None => failed(format!("undefined variable: {name}")),
        }
    }

    fn assign(&mut self, name: &str, value: Value) -> Result<(), Fault> {
        *self.slot(name)? = value;
        Ok(())
    }

    /// The value of a pipeline; declares or assigns its variables.
    fn pipeline(&mut self, pipeline: &'t Pipeline, dot: &Value) -> Result<Value, Fault> {
        self.line = pipeline.line;
        let mut value = None;
        for command in &pipeline.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.unwrap_or(Value::Nil);
        for name in &pipeline.variables {
            if pipeline.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    fn command(
        &mut self,
        command: &'t Command,
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, Fault> {
        self.heap.step(1)?;
        if let Operand::Function(function) = &command.head {
            return self.call(function, &command.arguments, dot, piped);
        }
        if !command.arguments.is_empty() || piped.is_some() {
            return failed("arguments are given to something that is no function");
        }
        match &command.head {
            Operand::Nil => failed("nil is not a command"),
            operand => self.operand(operand, dot),
        }
    }

    /// The value of an operand where nothing asks for a type.
    fn operand(&mut self, operand: &'t Operand, dot: &Value) -> Result<Value, Fault> {
        self.heap.step(1)?;
        match operand {
            Operand::Dot => Ok(dot.clone()),
            Operand::Nil => Ok(Value::Nil),
            Operand::Bool(value) => Ok(Value::Bool(*value)),
            Operand::Number(number) => constant(number),
            Operand::Text(text) => Ok(Value::Text(text.clone())),
            Operand::Field(path) => self.fields(dot.clone(), path),
            Operand::Variable(name, path) => {
                let value = self.slot(name)?.clone();
                self.fields(value, path)
            }
            Operand::Function(function) => self.call(function, &[], dot, None),
            Operand::Pipeline(pipeline) => self.parenthesized(pipeline, dot),
            Operand::Chain(inner, path) => {
                let value = self.operand(inner, dot)?;
                self.fields(value, path)
            }
        }
    }

    fn parenthesized(&mut self, pipeline: &'t Pipeline, dot: &Value) -> Result<Value, Fault> {
        self.open += 1;
        if self.open > limits::TEMPLATE_OPEN_ACTIONS {
            return Err(Fault::Limit("open actions", limits::TEMPLATE_OPEN_ACTIONS));
        }
        let value = self.pipeline(pipeline, dot)?;
        self.open -= 1;
        Ok(value)
    }

    fn fields(&mut self, value: Value, path: &[Name]) -> Result<Value, Fault> {
        let mut value = value;
        for name in path {
            self.heap.step(1)?;
            value = self.field(&value, name)?;
        }
        Ok(value)
    }

    fn field(&self, value: &Value, name: &str) -> Result<Value, Fault> {
        match value {
            Value::Map(map) => match map.get(name.as_bytes()) {
                Some(found) => Ok(found),
                None => failed(format!("there is no entry for key {name:?}")),
            },
            Value::Version(version) => version.field(self.heap, name),
            Value::Nil => failed(format!("nil has no entry for key {name:?}")),
            other => failed(format!("a {} has no field {name:?}", other.type_name())),
        }
    }

    fn call(
        &mut self,
        function: &'static Function,
        operands: &'t [Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, Fault> {
        let count = operands.len() + usize::from(piped.is_some());
        function.check_count(count)?;
        match function.body {
            Body::Plain(run) => {
                let arguments = self.arguments(function, operands, dot, piped)?;
                self.heap.step(1 + arguments.iter().map(Value::weight).sum::<usize>())?;
                run(self.heap, Arguments(&arguments))
                    .map_err(|fault| fault.in_function(function.name))
            }
            Body::And => self.short_circuit(false, operands, dot, piped),
            Body::Or => self.short_circuit(true, operands, dot, piped),
            Body::Refused => Err(Fault::Unsupported(function.name)),
        }
    }

    /// `and` and `or`: the first argument that decides, or the last.
    fn short_circuit(
        &mut self,
        decides: bool,
        operands: &'t [Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, Fault> {
        let mut last = Value::Nil;
        for operand in operands {
            last = self.argument(operand, Parameter::Any, dot)?;
            if last.is_true() == decides {
                return Ok(last);
            }
        }
        Ok(piped.unwrap_or(last))
    }

    fn arguments(
        &mut self,
        function: &Function,
        operands: &'t [Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Vec<Value>, Fault> {
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for (index, operand) in operands.iter().enumerate() {
            arguments.push(self.argument(operand, function.parameter(index), dot)?);
        }
        if let Some(value) = piped {
            arguments.push(self.fit(value, function.parameter(operands.len()))?);
        }
        Ok(arguments)
    }

    /// Evaluates an argument for a parameter: constants take the type that is asked for.
    fn argument(
        &mut self,
        operand: &'t Operand,
        parameter: Parameter,
        dot: &Value,
    ) -> Result<Value, Fault> {
        match (operand, parameter) {
            (Operand::Nil, _) => self.fit(Value::Nil, parameter),
            (Operand::Number(number), Parameter::Int) => match number.int {
                Some(value) => Ok(Value::Int(value)),
                None => failed("expected an integer"),
            },
            (Operand::Number(number), Parameter::Float) => match number.float {
                Some(value) => Ok(Value::Float(value)),
                None => failed("expected a float"),
            },
            (operand, parameter) => {
                let value = self.operand(operand, dot)?;
                self.fit(value, parameter)
            }
        }
    }

    /// Checks that a value has the type a parameter asks for.
    fn fit(&self, value: Value, parameter: Parameter) -> Result<Value, Fault> {
        match (parameter, &value) {
            (Parameter::Any, _)
            | (Parameter::Text, Value::Text(_))
            | (Parameter::Int, Value::Int(_))
            | (Parameter::Float, Value::Float(_))
            | (Parameter::Bool, Value::Bool(_)) => Ok(value),
            (Parameter::Dict, Value::Nil) => Ok(Value::Map(self.heap.nil_dict()?)),
            (Parameter::Dict, Value::Map(map)) if map.is_dict() => Ok(value),
            _ => failed(format!(
                "wrong type for value: expected {}, got {}",
                parameter.type_name(),
                value.type_name()
            )),
        }
    }
}

/// The value of a numeric constant where nothing asks for a type.
fn constant(number: &Number) -> Result<Value, Fault> {
    match (number.is_float, number.float, number.int) {
        (true, Some(value), _) => Ok(Value::Float(value)),
        (_, _, Some(value)) => Ok(Value::Int(value)),
        _ => failed("a number overflows int"),
    }
}
