//! Colour where a person is looking: on a terminal, unless `NO_COLOR` is set (no-color.org).

use std::io::IsTerminal;

/// Paints, or not.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    on: bool,
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Holds.
    Green,
    /// Does not hold.
    Red,
    /// Undecided.
    Yellow,
    /// Secondary text.
    Dim,
    /// Headings.
    Bold,
}

impl Paint {
    /// For standard output as it is.
    pub fn for_stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Paint { on: wanted && !dumb && std::io::stdout().is_terminal() }
    }

    /// Never.
    pub const fn off() -> Self {
        Paint { on: false }
    }

    /// The text, painted.
    pub fn paint(self, colour: Colour, text: &str) -> String {
        if !self.on {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Green => "32",
            Colour::Red => "31",
            Colour::Yellow => "33",
            Colour::Dim => "2",
            Colour::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
