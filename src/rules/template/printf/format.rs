//! The format string: its directives with flags, width, precision, `*` and `[n]`, and which argument each takes.
//!
//! Rule: Go package `fmt` (`print.go`, doPrintf).

use super::super::unicode;
use super::super::value::{Fault, Value};
use super::{Flags, Printer, WIDEST};

/// A format string and how far it is read.
pub(super) struct Format<'a> {
    bytes: &'a [u8],
    position: usize,
    values: &'a [Value],
    argument: usize,
    reordered: bool,
    good: bool,
}

impl<'a> Format<'a> {
    /// A format for these arguments.
    pub(super) fn new(bytes: &'a [u8], values: &'a [Value]) -> Self {
        Format { bytes, position: 0, values, argument: 0, reordered: false, good: true }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.position += 1;
        }
        found
    }

    /// Prints the whole.
    pub(super) fn run(&mut self, printer: &mut Printer<'_>) -> Result<(), Fault> {
        while let Some(rest) = self.bytes.get(self.position..).filter(|rest| !rest.is_empty()) {
            printer.heap.step(1)?;
            let plain = rest.iter().position(|byte| *byte == b'%').unwrap_or(rest.len());
            printer.out.push(rest.get(..plain).unwrap_or(&[]))?;
            self.position += plain;
            if self.accept(b'%') && !self.directive(printer)? {
                break;
            }
        }
        self.extra(printer)
    }

    /// One directive after its `%`; false when the format ends inside it.
    fn directive(&mut self, printer: &mut Printer<'_>) -> Result<bool, Fault> {
        printer.flags = Flags::default();
        self.good = true;
        self.flags(&mut printer.flags);
        let mut indexed = self.index();
        self.width(printer, &mut indexed)?;
        self.precision(printer, &mut indexed)?;
        if !indexed {
            self.index();
        }
        let rest = self.bytes.get(self.position..).unwrap_or(&[]);
        let Some((verb, length)) = unicode::decode(rest) else {
            printer.out.push(b"%!(NOVERB)")?;
            return Ok(false);
        };
        self.position += length;
        self.verb(printer, verb)?;
        Ok(true)
    }

    fn flags(&mut self, flags: &mut Flags) {
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => return,
            }
            self.position += 1;
        }
    }

    /// `[n]`, which selects the argument; true when a well-formed one was there.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = self.bytes.get(self.position..).unwrap_or(&[]);
        let Some(close) = rest.iter().position(|byte| *byte == b']').filter(|_| rest.len() >= 3)
        else {
            self.position += 1;
            self.good = false;
            return false;
        };
        let digits = rest.get(1..close).unwrap_or(&[]);
        self.position += close + 1;
        let number = parse_number(digits).filter(|(_, used)| *used == digits.len());
        match number {
            Some((number, _)) if number >= 1 && number <= self.values.len() => {
                self.argument = number - 1;
                true
            }
            other => {
                self.good = false;
                other.is_some()
            }
        }
    }

    fn number(&mut self) -> Option<usize> {
        let rest = self.bytes.get(self.position..).unwrap_or(&[]);
        match parse_number(rest) {
            Some((number, used)) => {
                self.position += used;
                Some(number)
            }
            None if rest.first().is_some_and(u8::is_ascii_digit) => {
                // A number beyond every width: Go gives up on the rest of the format.
                self.position = self.bytes.len();
                None
            }
            None => None,
        }
    }

    /// The next argument as a width or precision.
    fn star(&mut self) -> Option<i64> {
        let value = self.values.get(self.argument)?;
        self.argument += 1;
        let number = match value {
            Value::Int(number) | Value::Int64(number) => *number,
            Value::Uint8(number) => i64::from(*number),
            Value::Uint64(number) => i64::try_from(*number).ok()?,
            _ => return None,
        };
        (-WIDEST..=WIDEST).contains(&number).then_some(number)
    }

    fn width(&mut self, printer: &mut Printer<'_>, indexed: &mut bool) -> Result<(), Fault> {
        if !self.accept(b'*') {
            printer.flags.width = self.number();
            if *indexed && printer.flags.width.is_some() {
                self.good = false;
            }
            return Ok(());
        }
        *indexed = false;
        match self.star() {
            None => printer.out.push(b"%!(BADWIDTH)")?,
            Some(width) => {
                printer.flags.width = usize::try_from(width.unsigned_abs()).ok();
                if width < 0 {
                    printer.flags.minus = true;
                    printer.flags.zero = false;
                }
            }
        }
        Ok(())
    }

    fn precision(&mut self, printer: &mut Printer<'_>, indexed: &mut bool) -> Result<(), Fault> {
        if self.position + 1 >= self.bytes.len() || !self.accept(b'.') {
            return Ok(());
        }
        if *indexed {
            self.good = false;
        }
        *indexed = self.index();
        if !self.accept(b'*') {
            printer.flags.precision = Some(self.number().unwrap_or(0));
            return Ok(());
        }
        *indexed = false;
        let precision = self.star().and_then(|number| usize::try_from(number).ok());
        if precision.is_none() {
            printer.out.push(b"%!(BADPREC)")?;
        }
        printer.flags.precision = precision;
        Ok(())
    }

    fn verb(&mut self, printer: &mut Printer<'_>, verb: char) -> Result<(), Fault> {
        if verb == '%' {
            return printer.out.push(b"%");
        }
        let value = self.values.get(self.argument);
        match value {
            _ if !self.good => printer.mistake(verb, "(BADINDEX)"),
            None => printer.mistake(verb, "(MISSING)"),
            Some(value) => {
                if verb == 'v' || verb == 'w' {
                    printer.flags.go_syntax = std::mem::take(&mut printer.flags.sharp);
                    printer.flags.plus = false;
                }
                self.argument += 1;
                printer.argument(value, verb)
            }
        }
    }

    /// Arguments the format did not use are named at its end.
    fn extra(&mut self, printer: &mut Printer<'_>) -> Result<(), Fault> {
        let left = self.values.get(self.argument..).unwrap_or(&[]);
        if self.reordered || left.is_empty() {
            return Ok(());
        }
        printer.flags = Flags::default();
        printer.out.push(b"%!(EXTRA ")?;
        for (index, value) in left.iter().enumerate() {
            if index > 0 {
                printer.out.push(b", ")?;
            }
            printer.typed(value)?;
        }
        printer.out.push(b")")
    }
}

/// The number at the start of `bytes` and its length.
fn parse_number(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0usize;
    let mut used = 0;
    for byte in bytes.iter().take_while(|byte| byte.is_ascii_digit()) {
        if number > WIDEST as usize {
            return None;
        }
        number = number * 10 + usize::from(byte - b'0');
        used += 1;
    }
    (used > 0).then_some((number, used))
}
