//! The tree of a parsed template: what `parser.rs` builds and `execute.rs` walks.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::functions::Function;
use super::literal::Number;

/// A name of a field or variable.
pub type Name = Rc<str>;

/// All templates of one source by name; the main one has the empty name.
pub type Templates = BTreeMap<Vec<u8>, Vec<Node>>;

/// One step of a template.
#[derive(Debug)]
pub enum Node {
    /// Text to copy.
    Text(Rc<[u8]>),
    /// `{{pipeline}}`
    Action(Pipeline),
    /// `{{if}}` with every `{{else if}}`, then the last `{{else}}`.
    If(Branches),
    /// `{{with}}` with every `{{else with}}`, then the last `{{else}}`.
    With(Branches),
    /// `{{range pipeline}}`, body, `{{else}}`.
    Range(Pipeline, Vec<Node>, Vec<Node>),
    /// `{{template "name" pipeline}}`, also what `{{block}}` leaves behind.
    Template(usize, Vec<u8>, Option<Pipeline>),
    /// `{{break}}`
    Break,
    /// `{{continue}}`
    Continue,
}

/// Conditions with their bodies, in order, and what runs when none holds.
#[derive(Debug)]
pub struct Branches {
    /// Condition and body.
    pub conditional: Vec<(Pipeline, Vec<Node>)>,
    /// The body of the last `{{else}}`.
    pub otherwise: Vec<Node>,
}

/// `$x := command | command`
#[derive(Debug)]
pub struct Pipeline {
    /// The line it starts on.
    pub line: usize,
    /// The variables that take the value.
    pub variables: Vec<Name>,
    /// Whether existing variables are assigned (`=`) rather than declared (`:=`).
    pub assigns: bool,
    /// At least one command.
    pub commands: Vec<Command>,
}

/// A function or operand with its arguments.
#[derive(Debug)]
pub struct Command {
    /// What is called or evaluated.
    pub head: Operand,
    /// Its arguments.
    pub arguments: Vec<Operand>,
}

/// One operand.
#[derive(Debug)]
pub enum Operand {
    /// `.`
    Dot,
    /// `nil`
    Nil,
    /// `true`, `false`
    Bool(bool),
    /// A numeric or character constant.
    Number(Number),
    /// A string constant.
    Text(Rc<[u8]>),
    /// `.a.b`
    Field(Vec<Name>),
    /// `$x.a.b`
    Variable(Name, Vec<Name>),
    /// A function.
    Function(&'static Function),
    /// `(pipeline)`
    Pipeline(Box<Pipeline>),
    /// `(pipeline).a.b`
    Chain(Box<Operand>, Vec<Name>),
}

/// Whether nodes hold nothing but white space, so that they do not count as a definition.
pub fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| match node {
        Node::Text(text) => String::from_utf8_lossy(text).trim().is_empty(),
        _ => false,
    })
}
