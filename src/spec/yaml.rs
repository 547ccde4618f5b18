//! YAML text to a small tree of nodes with positions, bounded while it is read.
//!
//! [`super::decode()`] is the only reader. The scanner and parser are `saphyr-parser`'s; this file turns its events
//! into a tree, because nothing else gives what the specification needs at once: a place for every node, the
//! scalars as written (NFD's conversions are in [`super::scalar`]), merge keys that work as in NFD's decoder
//! (go-yaml v2: they are applied where they stand, and what comes later wins), and bounds that count an alias as
//! often as it is used, so that a bomb is refused before anything is expanded.
//!
//! `indentation.rs` helps with documents that are indented less strictly, `json.rs` reads those that are JSON.
//!
//! No function here recurses, and no scalar is stored twice: the nodes point into one text.

mod indentation;
mod json;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::diagnostic::{Diagnostic, Severity};
use super::model::Position;
use crate::limits;

/// The index of a node in its [`Document`].
pub type NodeId = u32;

/// One YAML document as a tree. Aliases share the node they name.
#[derive(Debug, Default)]
pub struct Document {
    text: String,
    nodes: Vec<Node>,
    children: Vec<NodeId>,
    tags: Vec<String>,
    aliased: HashSet<NodeId>,
    root: Option<NodeId>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    position: Position,
    tag: u32,
    kind: Kind,
}

/// What a node is; the numbers are places in the document's text or list of children.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Scalar { start: u32, len: u32, plain: bool },
    Sequence { first: u32, len: u32 },
    Mapping { first: u32, len: u32 },
}

/// A node as its reader sees it.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// A scalar as written, without its quotes.
    Scalar(ScalarNode<'a>),
    /// The items of a list.
    Sequence(&'a [NodeId]),
    /// Keys and values of a map, alternating.
    Mapping(&'a [NodeId]),
}

/// A scalar: its text, and what decides how it is read.
#[derive(Debug, Clone, Copy)]
pub struct ScalarNode<'a> {
    /// The text, after quotes, escapes and folding.
    pub text: &'a str,
    /// Whether it was written without quotes; only such a scalar can be a number, a boolean or null.
    pub plain: bool,
    /// The explicit tag, in its long form (`tag:yaml.org,2002:str`), or `!`.
    pub tag: Option<&'a str>,
}

impl Document {
    /// Reads the only document of a text.
    ///
    /// # Errors
    /// One diagnostic, with its place: bad syntax, a bound that is exceeded, or a second document.
    pub fn parse(source: &str) -> Result<Document, Diagnostic> {
        if let Some(document) = json::load(source)? {
            return Ok(document);
        }
        if source.len() > limits::SPECIFICATION_BRACKETS_BYTES
            && indentation::longest_span(source) > limits::SPECIFICATION_BRACKETS_BYTES
        {
            return Err(too_large_brackets());
        }
        let error = match Loader::load(source) {
            Ok(document) => return Ok(document),
            Err(Refusal::Syntax(error)) => error,
            Err(Refusal::Other(error)) => return Err(error),
        };
        if !error.info().starts_with("invalid indentation") {
            return Err(syntax(source, &error));
        }
        let again = indentation::indented(source).and_then(|moved| {
            let mut document = Loader::load(&moved.text).ok()?;
            for node in &mut document.nodes {
                node.position.column = moved.column(node.position.line, node.position.column);
            }
            Some(document)
        });
        again.ok_or_else(|| syntax(source, &error))
    }

    /// The outermost node; nothing for an empty text.
    pub fn root(&self) -> Option<NodeId> {
        self.root
    }

    /// Where a node starts.
    pub fn position(&self, id: NodeId) -> Position {
        self.node(id).position
    }

    /// Whether some alias names this node.
    pub fn is_aliased(&self, id: NodeId) -> bool {
        self.aliased.contains(&id)
    }

    /// What a node is.
    pub fn value(&self, id: NodeId) -> Value<'_> {
        let node = self.node(id);
        match node.kind {
            Kind::Scalar { start, len, plain } => {
                let text = self.text.get(range(start, len)).unwrap_or_default();
                let tag = (node.tag as usize).checked_sub(1).and_then(|at| self.tags.get(at));
                Value::Scalar(ScalarNode { text, plain, tag: tag.map(String::as_str) })
            }
            Kind::Sequence { first, len } => Value::Sequence(self.children(first, len)),
            Kind::Mapping { first, len } => Value::Mapping(self.children(first, len)),
        }
    }

    /// Whether a key is YAML's merge key `<<`.
    pub fn is_merge_key(&self, id: NodeId) -> bool {
        match self.value(id) {
            Value::Scalar(scalar) if scalar.text == "<<" => match scalar.tag {
                Some(tag) => tag == "tag:yaml.org,2002:merge",
                None => scalar.plain,
            },
            _ => false,
        }
    }

    fn children(&self, first: u32, len: u32) -> &[NodeId] {
        self.children.get(range(first, len)).unwrap_or_default()
    }

    fn node(&self, id: NodeId) -> Node {
        let nowhere = Node {
            position: Position { line: 1, column: 1 },
            tag: 0,
            kind: Kind::Sequence { first: 0, len: 0 },
        };
        self.nodes.get(id as usize).copied().unwrap_or(nowhere)
    }
}

/// The bytes of a document as text: UTF-8, with or without byte order mark, or UTF-16 with one, as in NFD.
///
/// # Errors
/// A diagnostic that names the first byte that is not text.
pub fn text(bytes: &[u8]) -> Result<Cow<'_, str>, Diagnostic> {
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest).map(Cow::Borrowed),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        _ => utf8(bytes).map(Cow::Borrowed),
    }?;
    match text.char_indices().find(|(_, c)| !is_printable(*c)) {
        Some((at, c)) => Err(control_character(end_of(text.get(..at).unwrap_or_default()), c)),
        None => Ok(text),
    }
}

/// The characters that YAML allows in a document unescaped (YAML 1.1, section 5.1).
fn is_printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{A0}'..='\u{FFFD}' | '\u{10000}'..)
        && c != '\u{FEFF}'
}

fn control_character(position: Position, c: char) -> Diagnostic {
    let message = format!("the control character U+{:04X} is not allowed in YAML", u32::from(c));
    let help = "remove it, or write it as an escape in double quotes";
    fault("not-text", position, message, Some(help.to_owned()))
}

fn utf8(bytes: &[u8]) -> Result<&str, Diagnostic> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let before = std::str::from_utf8(valid).unwrap_or_default();
        not_text(end_of(before), "the document is not UTF-8")
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Diagnostic> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text: Result<String, _> =
        char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err(not_text(Position { line: 1, column: 1 }, "the document is broken UTF-16")),
    }
}

fn not_text(position: Position, message: &str) -> Diagnostic {
    let help = "save the document as UTF-8 text";
    fault("not-text", position, message.to_owned(), Some(help.to_owned()))
}

/// The place just behind a text.
fn end_of(text: &str) -> Position {
    let line = text.bytes().filter(|byte| *byte == b'\n').count();
    let column = text.rsplit('\n').next().map_or(0, |last| last.chars().count());
    Position { line: number(line + 1), column: number(column + 1) }
}

/// Builds the tree from the parser's events. Frames stand for the collections that are still open; their items
/// wait in one common stack, so that a collection costs no allocation of its own.
#[derive(Default)]
struct Loader {
    document: Document,
    frames: Vec<Frame>,
    pending: Vec<NodeId>,
    anchors: HashMap<usize, Anchored>,
    finished: bool,
    /// Nodes and bytes of text so far, aliases counted where they are used.
    nodes: usize,
    bytes: usize,
}

/// Why a text could not be loaded: what the parser says, or what we say.
enum Refusal {
    Syntax(ScanError),
    Other(Diagnostic),
}

#[derive(Clone, Copy)]
enum Collection {
    Mapping,
    Sequence,
}

/// What stands before a node (YAML's node properties), and where.
struct Properties<'t> {
    tag: Option<&'t Tag>,
    /// The parser's number for it; 0 for none.
    anchor: usize,
    at: Position,
}

impl Properties<'_> {
    fn none(at: Position) -> Self {
        Properties { tag: None, anchor: 0, at }
    }
}

struct Frame {
    id: NodeId,
    anchor: usize,
    collection: Collection,
    first_pending: usize,
    height: usize,
    nodes_before: usize,
    bytes_before: usize,
}

/// A finished node that has an anchor, and what using it once more costs.
struct Anchored {
    id: NodeId,
    nodes: usize,
    bytes: usize,
    height: usize,
}

impl Loader {
    fn load(source: &str) -> Result<Document, Refusal> {
        let mut loader = Loader::default();
        for event in Parser::new_from_str(source) {
            let (event, span) = event.map_err(Refusal::Syntax)?;
            loader.event(event, position(&span.start)).map_err(Refusal::Other)?;
        }
        Ok(loader.document)
    }

    fn event(&mut self, event: Event<'_>, at: Position) -> Result<(), Diagnostic> {
        match event {
            Event::DocumentStart(_) if self.finished => Err(second_document(at)),
            Event::DocumentEnd => {
                self.finished = true;
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let properties = Properties { tag: tag.as_deref(), anchor, at };
                self.scalar(&text, style == ScalarStyle::Plain, properties)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(Collection::Sequence, Properties { tag: tag.as_deref(), anchor, at })
            }
            Event::MappingStart(anchor, tag) => {
                self.open(Collection::Mapping, Properties { tag: tag.as_deref(), anchor, at })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::DocumentStart(_) | Event::StreamStart | Event::StreamEnd | Event::Nothing => {
                Ok(())
            }
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        plain: bool,
        properties: Properties<'_>,
    ) -> Result<(), Diagnostic> {
        let Properties { tag, anchor, at } = properties;
        self.count(1, text.len(), at)?;
        let start = number(self.document.text.len());
        self.document.text.push_str(text);
        let kind = Kind::Scalar { start, len: number(text.len()), plain };
        let id = self.add(kind, tag, at);
        self.finish(id, anchor, Anchored { id, nodes: 1, bytes: text.len(), height: 0 });
        Ok(())
    }

    fn open(
        &mut self,
        collection: Collection,
        properties: Properties<'_>,
    ) -> Result<(), Diagnostic> {
        let Properties { tag, anchor, at } = properties;
        if self.frames.len() >= limits::SPECIFICATION_DEPTH {
            return Err(too_deep(at));
        }
        let (nodes_before, bytes_before) = (self.nodes, self.bytes);
        self.count(1, 0, at)?;
        let id = self.add(Kind::Sequence { first: 0, len: 0 }, tag, at);
        let first_pending = self.pending.len();
        self.frames.push(Frame {
            id,
            anchor,
            collection,
            first_pending,
            height: 0,
            nodes_before,
            bytes_before,
        });
        Ok(())
    }

    fn close(&mut self, at: Position) -> Result<(), Diagnostic> {
        let frame = self.frames.pop().ok_or_else(|| unbalanced(at))?;
        let first = number(self.document.children.len());
        self.document.children.extend(self.pending.drain(frame.first_pending..));
        let len = number(self.document.children.len()) - first;
        if let Some(node) = self.document.nodes.get_mut(frame.id as usize) {
            node.kind = match frame.collection {
                Collection::Mapping => Kind::Mapping { first, len },
                Collection::Sequence => Kind::Sequence { first, len },
            };
        }
        let nodes = self.nodes - frame.nodes_before;
        let bytes = self.bytes - frame.bytes_before;
        let anchored = Anchored { id: frame.id, nodes, bytes, height: frame.height + 1 };
        self.finish(frame.id, frame.anchor, anchored);
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Result<(), Diagnostic> {
        let anchored = self.anchors.get(&anchor).ok_or_else(|| endless(at))?;
        let (id, height) = (anchored.id, anchored.height);
        let (nodes, bytes) = (anchored.nodes, anchored.bytes);
        if self.frames.len() + height > limits::SPECIFICATION_DEPTH {
            return Err(too_deep(at));
        }
        self.count(nodes, bytes, at)?;
        self.document.aliased.insert(id);
        self.hang(id, height);
        Ok(())
    }

    fn count(&mut self, nodes: usize, bytes: usize, at: Position) -> Result<(), Diagnostic> {
        self.nodes += nodes;
        self.bytes += bytes;
        let within = self.nodes <= limits::SPECIFICATION_NODES
            && self.bytes <= limits::SPECIFICATION_TEXT_BYTES;
        if within { Ok(()) } else { Err(too_large(at)) }
    }

    fn add(&mut self, kind: Kind, tag: Option<&Tag>, position: Position) -> NodeId {
        let tag = tag.map_or(0, |tag| {
            self.document.tags.push(format!("{}{}", tag.handle, tag.suffix));
            number(self.document.tags.len())
        });
        let id = number(self.document.nodes.len());
        self.document.nodes.push(Node { position, tag, kind });
        id
    }

    fn finish(&mut self, id: NodeId, anchor: usize, anchored: Anchored) {
        let height = anchored.height;
        if anchor != 0 {
            self.anchors.insert(anchor, anchored);
        }
        self.hang(id, height);
    }

    /// Hangs a finished node into the collection that is open, or makes it the root.
    fn hang(&mut self, id: NodeId, height: usize) {
        match self.frames.last_mut() {
            Some(frame) => {
                frame.height = frame.height.max(height);
                self.pending.push(id);
            }
            None => self.document.root = Some(id),
        }
    }
}

fn position(marker: &Marker) -> Position {
    Position { line: number(marker.line().max(1)), column: number(marker.col() + 1) }
}

/// Sizes here are bounded by the limits, far below 2³².
fn number(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn range(start: u32, len: u32) -> std::ops::Range<usize> {
    start as usize..start as usize + len as usize
}

fn fault(code: &str, position: Position, message: String, help: Option<String>) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: code.to_owned(),
        position,
        rule: None,
        message,
        help,
    }
}

fn syntax(source: &str, error: &ScanError) -> Diagnostic {
    let at = position(error.marker());
    if error.info() == "recursion limit exceeded" {
        return too_deep(at);
    }
    let line = source.lines().nth(at.line.saturating_sub(1) as usize).unwrap_or_default();
    let indentation: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    let help =
        indentation.contains('\t').then_some("indent with spaces; YAML allows no tabs there");
    let message = format!("this is not YAML: {}", error.info());
    fault("yaml-syntax", at, message, help.map(str::to_owned))
}

fn second_document(at: Position) -> Diagnostic {
    let message = "a second YAML document starts here; a specification is one document".to_owned();
    let help = "put all sets into one `compatibilities` list, or attach the documents one by one";
    fault("second-document", at, message, Some(help.to_owned()))
}

fn too_large(at: Position) -> Diagnostic {
    let message = format!(
        "the document is too large: it may have {} nodes and {} bytes of text, aliases counted where they are used",
        limits::SPECIFICATION_NODES,
        limits::SPECIFICATION_TEXT_BYTES
    );
    fault("too-large", at, message, None)
}

fn too_large_brackets() -> Diagnostic {
    let message = format!(
        "one pair of brackets, or one line, holds more than {} bytes",
        limits::SPECIFICATION_BRACKETS_BYTES
    );
    let help = "write it in block style, or the whole document as JSON";
    fault("too-large", Position { line: 1, column: 1 }, message, Some(help.to_owned()))
}

fn too_deep(at: Position) -> Diagnostic {
    let message =
        format!("the document is nested more than {} levels deep", limits::SPECIFICATION_DEPTH);
    let help = "the format itself needs 12 levels";
    fault("too-deep", at, message, Some(help.to_owned()))
}

fn endless(at: Position) -> Diagnostic {
    let message = "this alias names a node that contains it".to_owned();
    fault("endless-alias", at, message, None)
}

fn unbalanced(at: Position) -> Diagnostic {
    fault(
        "yaml-syntax",
        at,
        "this is not YAML: a collection ends that never began".to_owned(),
        None,
    )
}
