//! Builds the tree of a template from its tokens.
//!
//! Called by `mod.rs`. The rule is Go 1.26, `text/template/parse/parse.go`; two things differ: `else if` chains are
//! kept flat, and nesting is bounded by [`limits::TEMPLATE_NESTING`], so that neither parsing nor execution recurses
//! without bound.

use std::rc::Rc;

use super::TemplateError;
use super::ast::{Branches, Command, Name, Node, Operand, Pipeline, Templates, is_empty};
use super::functions;
use super::lexer::{Keyword, Kind, Token, tokens};
use super::literal;
use crate::limits;

/// Parses `source` into its templates.
pub fn parse(source: &str) -> Result<Templates, TemplateError> {
    let tokens = tokens(source)?;
    let mut parser = Parser {
        tokens: &tokens,
        position: 0,
        variables: vec!["$".to_owned()],
        ranges: 0,
        depth: 0,
        templates: Templates::new(),
    };
    let main = parser.main()?;
    parser.define(Vec::new(), main)?;
    Ok(parser.templates)
}

struct Parser<'t, 's> {
    tokens: &'t [Token<'s>],
    position: usize,
    variables: Vec<String>,
    ranges: usize,
    depth: usize,
    templates: Templates,
}

/// What ended a list of nodes.
enum Ending {
    End,
    /// `{{else}}` alone.
    Else,
    /// `{{else if` or `{{else with`, with the pipeline still to come.
    ElseChain(Keyword),
}

/// One node, or the action that ends the list it would be in.
enum Step {
    Node(Node),
    Ending(Ending),
}

const END: Token<'static> = Token { kind: Kind::End, text: "", line: 0 };

impl<'s> Parser<'_, 's> {
    fn ahead(&self, distance: usize) -> Token<'s> {
        let last = self.tokens.last().copied().unwrap_or(END);
        self.tokens.get(self.position + distance).copied().unwrap_or(last)
    }

    fn peek(&self) -> Token<'s> {
        self.ahead(0)
    }

    fn next(&mut self) -> Token<'s> {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.position += 1;
        }
    }

    fn peek_word(&mut self) -> Token<'s> {
        self.skip_space();
        self.peek()
    }

    fn next_word(&mut self) -> Token<'s> {
        self.skip_space();
        self.next()
    }

    fn error(&self, line: usize, reason: impl Into<String>) -> TemplateError {
        TemplateError::Syntax { line, reason: reason.into() }
    }

    fn unexpected(&self, token: Token<'_>, context: &str) -> TemplateError {
        let found = match token.kind {
            Kind::End => "end of the template".to_owned(),
            _ => format!("{:?}", token.text),
        };
        self.error(token.line, format!("unexpected {found} in {context}"))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token<'s>, TemplateError> {
        let token = self.next_word();
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(token, context)) }
    }

    /// Runs `parse` one level deeper.
    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        if self.depth >= limits::TEMPLATE_NESTING {
            return Err(TemplateError::Limit {
                what: "nested actions and parentheses",
                limit: limits::TEMPLATE_NESTING,
            });
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Adds a template; one that is empty gives way to one that is not.
    fn define(&mut self, name: Vec<u8>, nodes: Vec<Node>) -> Result<(), TemplateError> {
        if self.templates.get(&name).is_none_or(|known| is_empty(known)) {
            self.templates.insert(name, nodes);
        } else if !is_empty(&nodes) {
            let name = String::from_utf8_lossy(&name);
            return Err(self.error(self.peek().line, format!("template {name:?} is defined twice")));
        }
        Ok(())
    }

    fn main(&mut self) -> Result<Vec<Node>, TemplateError> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::End {
            if self.at_definition() {
                self.definition()?;
                continue;
            }
            let line = self.peek().line;
            match self.step()? {
                Step::Node(node) => nodes.push(node),
                Step::Ending(_) => {
                    return Err(self.error(line, "unexpected {{end}} or {{else}}: nothing is open"));
                }
            }
        }
        Ok(nodes)
    }

    fn at_definition(&self) -> bool {
        let after = if self.ahead(1).kind == Kind::Space { 2 } else { 1 };
        self.peek().kind == Kind::LeftDelim
            && self.ahead(after).kind == Kind::Keyword(Keyword::Define)
    }

    fn definition(&mut self) -> Result<(), TemplateError> {
        self.next();
        self.next_word();
        let token = self.next_word();
        let name = self.template_name(token, "define clause")?;
        self.expect(Kind::RightDelim, "define clause")?;
        let nodes = self.separate_body()?;
        self.define(name, nodes)
    }

    /// The body of `define` or `block`, which sees no variables and no range of its surroundings.
    fn separate_body(&mut self) -> Result<Vec<Node>, TemplateError> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let line = self.peek().line;
        let (nodes, ending) = self.nested(Self::list)?;
        self.variables = variables;
        self.ranges = ranges;
        match ending {
            Ending::End => Ok(nodes),
            _ => Err(self.error(line, "unexpected {{else}} in a template definition")),
        }
    }

    fn list(&mut self) -> Result<(Vec<Node>, Ending), TemplateError> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::End {
            match self.step()? {
                Step::Node(node) => nodes.push(node),
                Step::Ending(ending) => return Ok((nodes, ending)),
            }
        }
        Err(self.error(self.peek().line, "unexpected end of the template: {{end}} is missing"))
    }

    fn step(&mut self) -> Result<Step, TemplateError> {
        let token = self.next_word();
        match token.kind {
            Kind::Text => Ok(Step::Node(Node::Text(Rc::from(token.text.as_bytes())))),
            Kind::LeftDelim => self.action(),
            _ => Err(self.unexpected(token, "input")),
        }
    }

    fn action(&mut self) -> Result<Step, TemplateError> {
        let token = self.peek_word();
        let Kind::Keyword(keyword) = token.kind else {
            return Ok(Step::Node(Node::Action(self.pipeline("command", Kind::RightDelim)?)));
        };
        let node = match keyword {
            Keyword::Dot | Keyword::Nil | Keyword::Define => {
                return Ok(Step::Node(Node::Action(self.pipeline("command", Kind::RightDelim)?)));
            }
            Keyword::End => return self.ending("end").map(|()| Step::Ending(Ending::End)),
            Keyword::Else => return self.otherwise(),
            Keyword::Break => self.loop_control(Node::Break, "{{break}}")?,
            Keyword::Continue => self.loop_control(Node::Continue, "{{continue}}")?,
            Keyword::If => Node::If(self.branches(Keyword::If, "if")?),
            Keyword::With => Node::With(self.branches(Keyword::With, "with")?),
            Keyword::Range => self.range()?,
            Keyword::Template => self.template()?,
            Keyword::Block => self.block()?,
        };
        Ok(Step::Node(node))
    }

    fn ending(&mut self, context: &str) -> Result<(), TemplateError> {
        self.next();
        self.expect(Kind::RightDelim, context).map(|_| ())
    }

    fn otherwise(&mut self) -> Result<Step, TemplateError> {
        self.next();
        match self.peek_word().kind {
            Kind::Keyword(keyword @ (Keyword::If | Keyword::With)) => {
                Ok(Step::Ending(Ending::ElseChain(keyword)))
            }
            _ => {
                self.expect(Kind::RightDelim, "else")?;
                Ok(Step::Ending(Ending::Else))
            }
        }
    }

    fn loop_control(&mut self, node: Node, name: &str) -> Result<Node, TemplateError> {
        let line = self.peek().line;
        self.ending(name)?;
        if self.ranges == 0 {
            return Err(self.error(line, format!("{name} outside {{{{range}}}}")));
        }
        Ok(node)
    }

    fn branches(&mut self, keyword: Keyword, context: &str) -> Result<Branches, TemplateError> {
        let scope = self.variables.len();
        let mut branches = Branches { conditional: Vec::new(), otherwise: Vec::new() };
        loop {
            self.next();
            let pipeline = self.pipeline(context, Kind::RightDelim)?;
            let line = self.peek().line;
            let (body, ending) = self.nested(Self::list)?;
            branches.conditional.push((pipeline, body));
            match ending {
                Ending::End => break,
                Ending::ElseChain(next) if next == keyword => continue,
                Ending::ElseChain(_) => {
                    return Err(self.error(line, format!("{context} with another else chain")));
                }
                Ending::Else => {
                    branches.otherwise = self.last_list(line)?;
                    break;
                }
            }
        }
        self.variables.truncate(scope);
        Ok(branches)
    }

    fn last_list(&mut self, line: usize) -> Result<Vec<Node>, TemplateError> {
        match self.nested(Self::list)? {
            (nodes, Ending::End) => Ok(nodes),
            _ => Err(self.error(line, "expected {{end}} after {{else}}, found another {{else}}")),
        }
    }

    fn range(&mut self) -> Result<Node, TemplateError> {
        let scope = self.variables.len();
        self.next();
        let pipeline = self.pipeline("range", Kind::RightDelim)?;
        let line = self.peek().line;
        self.ranges += 1;
        let (body, ending) = self.nested(Self::list)?;
        self.ranges -= 1;
        let otherwise = match ending {
            Ending::End => Vec::new(),
            Ending::Else => self.last_list(line)?,
            Ending::ElseChain(_) => return Err(self.error(line, "range has no else chain")),
        };
        self.variables.truncate(scope);
        Ok(Node::Range(pipeline, body, otherwise))
    }

    fn template(&mut self) -> Result<Node, TemplateError> {
        let line = self.next().line;
        let token = self.next_word();
        let name = self.template_name(token, "template clause")?;
        let mut pipeline = None;
        if self.peek_word().kind == Kind::RightDelim {
            self.next();
        } else {
            pipeline = Some(self.pipeline("template clause", Kind::RightDelim)?);
        }
        Ok(Node::Template(line, name, pipeline))
    }

    fn block(&mut self) -> Result<Node, TemplateError> {
        let line = self.next().line;
        let token = self.next_word();
        let name = self.template_name(token, "block clause")?;
        let pipeline = self.pipeline("block clause", Kind::RightDelim)?;
        let body = self.separate_body()?;
        self.define(name.clone(), body)?;
        Ok(Node::Template(line, name, Some(pipeline)))
    }

    fn template_name(&self, token: Token<'_>, context: &str) -> Result<Vec<u8>, TemplateError> {
        match token.kind {
            Kind::Quoted | Kind::Raw => self.string(token),
            _ => Err(self.unexpected(token, context)),
        }
    }

    fn string(&self, token: Token<'_>) -> Result<Vec<u8>, TemplateError> {
        literal::unquote(token.text)
            .ok_or_else(|| self.error(token.line, format!("invalid string {}", token.text)))
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipeline, TemplateError> {
        let line = self.peek_word().line;
        let mut pipeline =
            Pipeline { line, variables: Vec::new(), assigns: false, commands: Vec::new() };
        self.declarations(&mut pipeline, context)?;
        loop {
            let token = self.peek_word();
            if token.kind == end {
                self.next();
                break;
            }
            match token.kind {
                Kind::Bool
                | Kind::Character
                | Kind::Complex
                | Kind::Keyword(Keyword::Dot | Keyword::Nil)
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Raw
                | Kind::Quoted
                | Kind::Variable
                | Kind::LeftParen => pipeline.commands.push(self.command()?),
                _ => return Err(self.unexpected(token, context)),
            }
        }
        self.check(&pipeline, context)?;
        Ok(pipeline)
    }

    /// `$x :=`, `$x =`, and in `range` also `$x, $y :=`.
    fn declarations(
        &mut self,
        pipeline: &mut Pipeline,
        context: &str,
    ) -> Result<(), TemplateError> {
        loop {
            let variable = self.peek_word();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            let after = if self.ahead(1).kind == Kind::Space { 2 } else { 1 };
            let sign = self.ahead(after);
            let is_comma = sign.kind == Kind::Other && sign.text == ",";
            if !is_comma && !matches!(sign.kind, Kind::Assign | Kind::Declare) {
                return Ok(());
            }
            self.position += after + 1;
            pipeline.variables.push(Name::from(variable.text));
            self.variables.push(variable.text.to_owned());
            if !is_comma {
                pipeline.assigns = sign.kind == Kind::Assign;
                return Ok(());
            }
            if context != "range" || pipeline.variables.len() > 1 {
                return Err(self.error(sign.line, format!("too many declarations in {context}")));
            }
            let next = self.peek_word();
            if !matches!(next.kind, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                return Err(self.error(next.line, "range can only initialize variables"));
            }
        }
    }

    fn check(&self, pipeline: &Pipeline, context: &str) -> Result<(), TemplateError> {
        if pipeline.commands.is_empty() {
            return Err(self.error(pipeline.line, format!("missing value for {context}")));
        }
        let constant = pipeline.commands.iter().skip(1).position(|command| {
            matches!(
                command.head,
                Operand::Bool(_)
                    | Operand::Dot
                    | Operand::Nil
                    | Operand::Number(_)
                    | Operand::Text(_)
            )
        });
        match constant {
            Some(index) => Err(self.error(
                pipeline.line,
                format!("stage {} of the pipeline cannot take a value", index + 2),
            )),
            None => Ok(()),
        }
    }

    fn command(&mut self) -> Result<Command, TemplateError> {
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            if let Some(operand) = self.operand()? {
                operands.push(operand);
            }
            match self.peek().kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => break,
                Kind::Pipe => {
                    self.next();
                    break;
                }
                _ => return Err(self.unexpected(self.peek(), "operand")),
            }
        }
        let line = self.peek().line;
        let mut operands = operands.into_iter();
        let head = operands.next().ok_or_else(|| self.error(line, "empty command"))?;
        Ok(Command { head, arguments: operands.collect() })
    }

    /// A term with the fields that follow it.
    fn operand(&mut self) -> Result<Option<Operand>, TemplateError> {
        let line = self.peek().line;
        let Some(term) = self.term()? else { return Ok(None) };
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(field_name(self.next().text));
        }
        if fields.is_empty() {
            return Ok(Some(term));
        }
        Ok(Some(match term {
            Operand::Field(mut path) => {
                path.extend(fields);
                Operand::Field(path)
            }
            Operand::Variable(name, mut path) => {
                path.extend(fields);
                Operand::Variable(name, path)
            }
            Operand::Function(_) | Operand::Pipeline(_) => Operand::Chain(Box::new(term), fields),
            _ => return Err(self.error(line, "unexpected . after a constant")),
        }))
    }

    fn term(&mut self) -> Result<Option<Operand>, TemplateError> {
        let token = self.peek_word();
        let operand = match token.kind {
            Kind::Identifier => Operand::Function(self.function(token)?),
            Kind::Keyword(Keyword::Dot) => Operand::Dot,
            Kind::Keyword(Keyword::Nil) => Operand::Nil,
            Kind::Variable => self.variable(token)?,
            Kind::Field => Operand::Field(vec![field_name(token.text)]),
            Kind::Bool => Operand::Bool(token.text == "true"),
            Kind::Number | Kind::Character | Kind::Complex => self.number(token)?,
            Kind::Quoted | Kind::Raw => Operand::Text(Rc::from(self.string(token)?)),
            Kind::LeftParen => {
                self.next();
                let inner =
                    self.nested(|p| p.pipeline("parenthesized pipeline", Kind::RightParen))?;
                return Ok(Some(Operand::Pipeline(Box::new(inner))));
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(operand))
    }

    fn function(&self, token: Token<'_>) -> Result<&'static functions::Function, TemplateError> {
        functions::find(token.text).ok_or_else(|| {
            self.error(token.line, format!("function {:?} is not defined", token.text))
        })
    }

    fn variable(&self, token: Token<'_>) -> Result<Operand, TemplateError> {
        if self.variables.iter().any(|known| known == token.text) {
            return Ok(Operand::Variable(Name::from(token.text), Vec::new()));
        }
        Err(self.error(token.line, format!("undefined variable {:?}", token.text)))
    }

    fn number(&self, token: Token<'_>) -> Result<Operand, TemplateError> {
        if token.kind == Kind::Complex || token.text.ends_with('i') {
            return Err(self.error(token.line, "complex numbers are not supported"));
        }
        let number = match token.kind {
            Kind::Character => literal::character(token.text),
            _ => literal::number(token.text),
        };
        number.map(Operand::Number).ok_or_else(|| {
            self.error(token.line, format!("illegal number syntax: {:?}", token.text))
        })
    }
}

fn field_name(token: &str) -> Name {
    Name::from(token.strip_prefix('.').unwrap_or(token))
}
