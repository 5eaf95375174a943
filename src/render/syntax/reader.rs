//! Reads expressions and statements by the grammar of the engine, hands their operators over, and notes what they use.

mod cursor;
mod operand;

use super::pieces::Piece;

/// Deeper expressions are left as they are.
const DEEPEST: usize = 40;

/// A name that is used in a template.
#[derive(Debug)]
pub(in crate::render) struct Use<'s> {
    pub(in crate::render) what: What,
    pub(in crate::render) name: &'s str,
    pub(in crate::render) line: usize,
    /// Of a filter, a test or a function.
    pub(in crate::render) arguments: Vec<Argument<'s>>,
    /// Of a name that is looked up: what follows after dots, as far as it is written out.
    pub(in crate::render) path: Vec<&'s str>,
}

/// How it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::render) enum What {
    Filter,
    Test,
    Function,
    Name,
}

impl What {
    /// Whether it is looked up among the names of the notification.
    pub(in crate::render) fn stands_alone(self) -> bool {
        matches!(self, Self::Function | Self::Name)
    }
}

/// An argument of a call.
#[derive(Debug)]
pub(in crate::render) struct Argument<'s> {
    /// Where it is given by name.
    pub(in crate::render) name: Option<&'s str>,
    /// A text that is written out.
    pub(in crate::render) text: Option<&'s str>,
}

/// The functions that take over the operators.
pub(in crate::render) const OPERATE: &str = "__operate";
pub(in crate::render) const NEGATIVE: &str = "__negative";

pub(super) struct Reader<'p, 's> {
    pieces: &'p [Piece<'s>],
    at: usize,
    depth: usize,
    /// The line of each piece, and that of the end.
    lines: Vec<usize>,
    pub(super) uses: Vec<Use<'s>>,
}

impl<'p, 's> Reader<'p, 's> {
    pub(super) fn new(pieces: &'p [Piece<'s>], first_line: usize) -> Self {
        let mut line = first_line;
        let lines = pieces.iter().map(|piece| {
            line += piece.space.matches('\n').count();
            let begins = line;
            line += piece.text.matches('\n').count();
            begins
        });
        let mut lines: Vec<usize> = lines.collect();
        lines.push(line);
        Self {
            pieces,
            at: 0,
            depth: 0,
            lines,
            uses: Vec::new(),
        }
    }

    pub(super) fn whole_expression(&mut self) -> Option<String> {
        let read = self.expression()?;
        self.at_end().then_some(read)
    }

    pub(super) fn whole_statement(&mut self) -> Option<String> {
        let keyword = self.peek()?.text;
        let mut out = self.take()?;
        match keyword {
            "if" | "elif" | "do" => out.push_str(&self.expression()?),
            "for" => {
                out.push_str(&self.until("in")?);
                out.push_str(&self.or()?);
                if self.is("if") {
                    out.push_str(&self.take()?);
                    out.push_str(&self.expression()?);
                }
                if self.is("recursive") {
                    out.push_str(&self.take()?);
                }
            }
            "set" | "with" => {
                while let Some(target) = self.until("=") {
                    out.push_str(&target);
                    out.push_str(&self.expression()?);
                    while self.is(",") && keyword == "set" {
                        out.push_str(&self.take()?);
                        out.push_str(&self.expression()?);
                    }
                }
                // A block that is set, perhaps through a filter.
                if !self.at_end() {
                    out.push_str(&self.rest());
                }
            }
            "filter" => {
                out.push_str(&self.named(What::Filter)?);
                out.push_str(&self.filters()?);
            }
            _ => out.push_str(&self.rest()),
        }
        self.at_end().then_some(out)
    }

    fn expression(&mut self) -> Option<String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut out = self.or()?;
        while self.is("if") {
            out.push_str(&self.take()?);
            out.push_str(&self.or()?);
            if self.is("else") {
                out.push_str(&self.take()?);
                out.push_str(&self.expression()?);
            }
        }
        self.depth -= 1;
        Some(out)
    }

    fn or(&mut self) -> Option<String> {
        let mut out = self.and()?;
        while self.is("or") {
            out.push_str(&self.take()?);
            out.push_str(&self.and()?);
        }
        Some(out)
    }

    fn and(&mut self) -> Option<String> {
        let mut out = self.not()?;
        while self.is("and") {
            out.push_str(&self.take()?);
            out.push_str(&self.not()?);
        }
        Some(out)
    }

    fn not(&mut self) -> Option<String> {
        let mut out = String::new();
        while self.is("not") {
            out.push_str(&self.take()?);
        }
        Some(out + self.comparison()?.as_str())
    }

    fn comparison(&mut self) -> Option<String> {
        let line = self.line();
        let first = self.sum()?;
        let mut rest = Vec::new();
        while let Some(sign) = self.peek().map(|piece| piece.text) {
            let space = self.peek()?.space.to_owned();
            let operator = match sign {
                "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" => {
                    self.take()?;
                    (space, sign)
                }
                "not" if self.pieces.get(self.at + 1).is_some_and(|piece| piece.text == "in") => {
                    self.take()?;
                    let more = self.peek()?.space;
                    self.take()?;
                    (space + more, "not in")
                }
                _ => break,
            };
            rest.push((operator, self.sum()?));
        }
        if rest.iter().all(|((_, sign), _)| matches!(*sign, "==" | "!=")) {
            let rest = rest
                .into_iter()
                .map(|((space, sign), operand)| format!("{space}{sign}{operand}"));
            return Some(first + rest.collect::<String>().as_str());
        }
        Some(operated(line, &first, rest))
    }

    fn sum(&mut self) -> Option<String> {
        self.chain(&["+", "-"], Self::concatenation)
    }

    fn concatenation(&mut self) -> Option<String> {
        let mut out = self.product()?;
        while self.is("~") {
            out.push_str(&self.take()?);
            out.push_str(&self.product()?);
        }
        Some(out)
    }

    fn product(&mut self) -> Option<String> {
        self.chain(&["*", "/", "//", "%"], Self::power)
    }

    fn power(&mut self) -> Option<String> {
        self.chain(&["**"], Self::operand)
    }
}

/// The call that stands for operators between operands.
fn operated(line: usize, first: &str, rest: Vec<((String, &str), String)>) -> String {
    let bare = first.trim_start();
    let mut out = format!("{}{OPERATE}({line}, {bare}", &first[..first.len() - bare.len()]);
    for ((space, sign), operand) in rest {
        out.extend([&space, ", \"", sign, "\",", &operand]);
    }
    out + ")"
}
