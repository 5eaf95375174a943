//! Operands: values, calls, what is taken from them, and the filters and tests behind them.

use super::super::pieces::{Piece, Sort};
use super::{Argument, DEEPEST, NEGATIVE, Reader, Use, What, operated};

impl<'s> Reader<'_, 's> {
    /// Operators of one rank from left to right.
    pub(super) fn chain(&mut self, signs: &[&str], operand: fn(&mut Self) -> Option<String>) -> Option<String> {
        let line = self.line();
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some(piece) = self.peek().filter(|piece| signs.contains(&piece.text)) {
            self.take()?;
            rest.push(((piece.space.to_owned(), piece.text), operand(self)?));
        }
        Some(if rest.is_empty() {
            first
        } else {
            operated(line, &first, rest)
        })
    }

    pub(super) fn operand(&mut self) -> Option<String> {
        Some(self.signed()? + self.filters()?.as_str())
    }

    fn signed(&mut self) -> Option<String> {
        if !self.is("-") {
            return self.primary();
        }
        let sign = self.take()?;
        if self.peek()?.sort == Sort::Number {
            return Some(sign + self.primary()?.as_str());
        }
        self.depth += 1;
        let operand = if self.depth > DEEPEST { None } else { self.signed() };
        self.depth -= 1;
        Some(format!("{}{NEGATIVE}({})", sign.trim_end_matches('-'), operand?))
    }

    pub(super) fn filters(&mut self) -> Option<String> {
        let mut out = String::new();
        loop {
            if self.is("|") {
                out.push_str(&self.take()?);
                out.push_str(&self.named(What::Filter)?);
            } else if self.is("is") {
                out.push_str(&self.take()?);
                if self.is("not") {
                    out.push_str(&self.take()?);
                }
                out.push_str(&self.named(What::Test)?);
                let takes_one = self.peek().is_some_and(|piece| match piece.sort {
                    Sort::Sign => matches!(piece.text, "-" | "[" | "{"),
                    Sort::Name => !matches!(
                        piece.text,
                        "and" | "or" | "else" | "is" | "if" | "not" | "in" | "recursive"
                    ),
                    Sort::Number | Sort::Text => true,
                });
                if takes_one {
                    out.push_str(&self.signed()?);
                }
            } else {
                return Some(out);
            }
        }
    }

    /// The name of a filter or a test with its arguments.
    pub(super) fn named(&mut self, what: What) -> Option<String> {
        let (piece, line) = (self.peek().filter(|piece| piece.sort == Sort::Name)?, self.line());
        let mut out = self.take()?;
        while self.is(".") {
            out.push_str(&self.take()?);
            out.push_str(&self.take()?);
        }
        let place = self.uses.len();
        self.uses.push(Use {
            what,
            name: piece.text,
            line,
            arguments: Vec::new(),
            path: Vec::new(),
        });
        if self.is("(") {
            let (text, arguments) = self.call()?;
            out.push_str(&text);
            self.uses[place].arguments = arguments;
        }
        Some(out)
    }

    fn primary(&mut self) -> Option<String> {
        let (piece, line) = (self.peek()?, self.line());
        let place = self.uses.len();
        let mut out = match (piece.sort, piece.text) {
            (Sort::Name, name) => {
                if !matches!(name, "true" | "True" | "false" | "False" | "none" | "None") {
                    self.uses.push(Use {
                        what: What::Name,
                        name,
                        line,
                        arguments: Vec::new(),
                        path: Vec::new(),
                    });
                }
                self.take()?
            }
            (Sort::Number, _) => self.take()?,
            (Sort::Text, _) => {
                let mut out = String::new();
                while self.peek().is_some_and(|piece| piece.sort == Sort::Text) {
                    out.push_str(&self.take()?);
                }
                out
            }
            (Sort::Sign, "(") => self.list(")")?,
            (Sort::Sign, "[") => self.list("]")?,
            (Sort::Sign, "{") => self.list("}")?,
            _ => return None,
        };
        let is_name = self.uses.len() == place + 1 && piece.sort == Sort::Name;
        let mut written_out = is_name;
        let mut is_first = true;
        loop {
            if self.is(".") {
                out.push_str(&self.take()?);
                let field = self
                    .peek()
                    .filter(|piece| matches!(piece.sort, Sort::Name | Sort::Number))?;
                out.push_str(&self.take()?);
                if written_out {
                    self.uses[place].path.push(field.text);
                }
            } else if self.is("[") {
                let next = self.pieces.get(self.at + 1).filter(|_| written_out);
                let key = next.and_then(Piece::literal);
                out.push_str(&self.list("]")?);
                match key {
                    Some(key) => self.uses[place].path.push(key),
                    None if written_out => self.uses[place].path.push("[]"),
                    None => {}
                }
            } else if self.is("(") {
                let (text, arguments) = self.call()?;
                out.push_str(&text);
                if is_name && is_first {
                    self.uses[place].what = What::Function;
                    self.uses[place].arguments = arguments;
                }
                written_out = false;
            } else {
                return Some(out);
            }
            is_first = false;
        }
    }

    /// What stands in brackets: values, pairs or a slice.
    fn list(&mut self, end: &str) -> Option<String> {
        let mut out = self.take()?;
        loop {
            if self.is(end) {
                return Some(out + self.take()?.as_str());
            }
            if self.is(",") || self.is(":") {
                out.push_str(&self.take()?);
            } else {
                out.push_str(&self.expression()?);
            }
        }
    }

    /// Arguments in their brackets.
    fn call(&mut self) -> Option<(String, Vec<Argument<'s>>)> {
        let mut arguments = Vec::new();
        let mut out = self.take()?;
        loop {
            if self.is(")") {
                return Some((out + self.take()?.as_str(), arguments));
            }
            if self.is(",") || self.is("*") || self.is("**") {
                out.push_str(&self.take()?);
                continue;
            }
            let mut name = None;
            if self.pieces.get(self.at + 1).is_some_and(|piece| piece.text == "=") {
                name = Some(self.peek()?.text);
                out.push_str(&self.take()?);
                out.push_str(&self.take()?);
            }
            let from = self.at;
            out.push_str(&self.expression()?);
            let text = match &self.pieces[from..self.at] {
                [one] => one.literal(),
                _ => None,
            };
            arguments.push(Argument { name, text });
        }
    }
}
