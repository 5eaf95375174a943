//! Reads expressions and statements by the grammar of the engine, hands their operators over, and notes what they use.

use super::pieces::{Piece, Sort};

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

    /// Operators of one rank from left to right.
    fn chain(&mut self, signs: &[&str], operand: fn(&mut Self) -> Option<String>) -> Option<String> {
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

    fn operand(&mut self) -> Option<String> {
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

    fn filters(&mut self) -> Option<String> {
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
    fn named(&mut self, what: What) -> Option<String> {
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

    fn peek(&self) -> Option<Piece<'s>> {
        self.pieces.get(self.at).copied()
    }

    fn is(&self, text: &str) -> bool {
        self.peek().is_some_and(|piece| piece.text == text)
    }

    /// The next piece with the spaces before it.
    fn take(&mut self) -> Option<String> {
        let piece = self.peek()?;
        self.at += 1;
        Some(format!("{}{}", piece.space, piece.text))
    }

    /// Everything up to a piece outside of brackets, with it.
    fn until(&mut self, end: &str) -> Option<String> {
        let mut open = 0_i32;
        let found = self.pieces[self.at..].iter().position(|piece| {
            match piece.text {
                "(" | "[" | "{" => open += 1,
                ")" | "]" | "}" => open -= 1,
                _ => {}
            }
            open == 0 && piece.text == end
        })?;
        (0..=found).map(|_| self.take()).collect()
    }

    fn rest(&mut self) -> String {
        std::iter::from_fn(|| self.take()).collect()
    }

    fn at_end(&self) -> bool {
        self.at == self.pieces.len()
    }

    /// The line of the next piece.
    fn line(&self) -> usize {
        self.lines.get(self.at).copied().unwrap_or_default()
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
