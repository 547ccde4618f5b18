//! Pieces of a pattern while it is read, with what Go's limits are about: size, height, nested repeat counts.
//!
//! Source: Go `regexp/syntax/parse.go` (checkLimits, repeatIsValid, collapse). Used by [`super::reader`].

use regex_syntax::hir::{Hir, Repetition};

use super::PatternError;

/// Go's limit for the height of the syntax tree.
pub(super) const MAX_HEIGHT: u32 = 1000;

/// The flags of `(?imsU)`.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) fold: bool,
    pub(super) multi_line: bool,
    pub(super) dot_newline: bool,
    pub(super) lazy: bool,
}

/// What Go merges: neighbouring literals into one, nested concatenations and alternations into one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Literal { fold: bool },
    OneCharacter,
    Concatenation,
    Alternation,
    Other,
}

/// A piece of the pattern, with what Go's limits are about.
pub(super) struct Node {
    pub(super) hir: Hir,
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) height: u32,
    /// The largest product of nested repeat counts.
    pub(super) repeats: u32,
}

/// How often a piece repeats.
#[derive(Clone, Copy)]
pub(super) struct Count {
    pub(super) min: u32,
    pub(super) max: Option<u32>,
    /// Written as numbers in braces, which Go counts against its limit.
    pub(super) counted: bool,
}

/// An open group: what was read of it, and what to return to when it closes.
pub(super) struct Group {
    pub(super) outer: Flags,
    /// The number and the name of a group that captures.
    pub(super) captures: Option<(u32, Option<Box<str>>)>,
    pub(super) alternatives: Vec<Node>,
    pub(super) sequence: Vec<Node>,
}

impl Node {
    pub(super) fn leaf(hir: Hir, kind: Kind) -> Node {
        Node { hir, kind, size: 1, height: 1, repeats: 1 }
    }

    pub(super) fn repeated(self, count: Count, greedy: bool) -> Node {
        let Count { min, max, counted } = count;
        let largest = max.unwrap_or(min);
        let copies = if counted { u64::from(largest).max(1) } else { 1 };
        let repeats = match (counted, max) {
            (true, Some(0)) => 1,
            (true, _) => largest.max(1).saturating_mul(self.repeats),
            (false, _) => self.repeats,
        };
        let hir = Hir::repetition(Repetition { min, max, greedy, sub: Box::new(self.hir) });
        Node {
            hir,
            kind: Kind::Other,
            size: self.size.saturating_mul(copies).saturating_add(copies + 1),
            height: self.height.saturating_add(1),
            repeats,
        }
    }

    /// Puts several pieces together as one. `flattened` is the kind whose height Go does not count twice.
    pub(super) fn joined(nodes: Vec<Node>, flattened: Kind, join: fn(Vec<Hir>) -> Hir) -> Node {
        let mut joined = Node::leaf(Hir::empty(), flattened);
        let mut parts = Vec::with_capacity(nodes.len());
        for node in nodes {
            let height = if node.kind == flattened { node.height } else { node.height + 1 };
            joined.height = joined.height.max(height);
            joined.repeats = joined.repeats.max(node.repeats);
            joined.size = joined.size.saturating_add(node.size);
            parts.push(node.hir);
        }
        joined.hir = join(parts);
        joined
    }
}

impl Group {
    pub(super) fn new(outer: Flags, captures: Option<(u32, Option<Box<str>>)>) -> Group {
        Group { outer, captures, alternatives: Vec::new(), sequence: Vec::new() }
    }

    pub(super) fn end_alternative(&mut self) -> Result<(), PatternError> {
        let mut nodes = std::mem::take(&mut self.sequence);
        let node = match nodes.len() {
            0 => Node::leaf(Hir::empty(), Kind::Other),
            1 => nodes.remove(0),
            _ => {
                let kind = nodes.first().map_or(Kind::Other, |node| node.kind);
                let one_literal = matches!(kind, Kind::Literal { .. })
                    && nodes.iter().all(|node| node.kind == kind);
                let mut node = Node::joined(nodes, Kind::Concatenation, Hir::concat);
                if one_literal {
                    (node.kind, node.height) = (Kind::Other, 1);
                }
                node
            }
        };
        if node.height > MAX_HEIGHT {
            return Err(PatternError::TooDeep);
        }
        self.alternatives.push(node);
        Ok(())
    }

    pub(super) fn close(mut self) -> Result<Node, PatternError> {
        self.end_alternative()?;
        let mut nodes = self.alternatives;
        if nodes.len() == 1 {
            return Ok(nodes.remove(0));
        }
        let one_character =
            nodes.iter().all(|n| matches!(n.kind, Kind::Literal { .. } | Kind::OneCharacter));
        let mut node = Node::joined(nodes, Kind::Alternation, Hir::alternation);
        if one_character {
            (node.kind, node.height) = (Kind::OneCharacter, 1);
        }
        if node.height > MAX_HEIGHT { Err(PatternError::TooDeep) } else { Ok(node) }
    }
}
