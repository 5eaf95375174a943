//! Regular expressions as Alertmanager has them: RE2's syntax, matched against the whole value.
//!
//! Guarantees: matching takes linear time, memory is bounded, and no alert can make it slow: a value longer than
//! [`LONGEST_VALUE`] is matched by no expression. `\d`, `\w` and `\s` mean ASCII, as in RE2 and unlike Rust's `regex`.
//! Deliberately not: refusing the little that the crate `regex` takes beyond RE2.

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{Ast, ClassPerl, ClassPerlKind, ClassSetItem, Span, Visitor, visit};

/// Values of labels that are longer, in bytes, are matched by no expression.
pub const LONGEST_VALUE: usize = 16 * 1024;
/// Expressions may not be longer than this, in bytes.
const LONGEST_PATTERN: usize = 4 * 1024;
/// Nor need more memory than this once compiled, in bytes.
const LARGEST_PROGRAM: usize = 512 * 1024;

/// A regular expression for whole values.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

/// Why a regular expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is not one.
    #[error("{0}")]
    Syntax(String),
    /// It is longer or needs more memory than any sensible one.
    #[error("the regular expression is too large")]
    TooLarge,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST_PATTERN {
            return Err(PatternError::TooLarge);
        }
        // Read alone first: what is balanced by itself cannot close the group that anchors it.
        let ast = Parser::new()
            .parse(text)
            .map_err(|error| PatternError::Syntax(error.kind().to_string()))?;
        let anchored = format!("^(?:{})$", ascii_classes(text, &ast));
        RegexBuilder::new(&anchored)
            .size_limit(LARGEST_PROGRAM)
            .dfa_size_limit(LARGEST_PROGRAM)
            .build()
            .map(Self)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
                error => PatternError::Syntax(last_line(&error.to_string())),
            })
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        value.len() <= LONGEST_VALUE && self.0.is_match(value)
    }
}

/// The crate explains over several lines, with the pattern; the last one says what is wrong.
fn last_line(explained: &str) -> String {
    let line = explained.lines().last().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

/// The text with every class of Perl's written out as RE2 understands it.
fn ascii_classes(text: &str, ast: &Ast) -> String {
    let mut classes = visit(ast, PerlClasses::default()).unwrap_or_default();
    classes.sort_unstable_by_key(|(span, _)| span.start.offset);
    let (mut written, mut at) = (String::with_capacity(text.len()), 0);
    for (span, class) in classes {
        written.push_str(&text[at..span.start.offset]);
        written.push_str(class);
        at = span.end.offset;
    }
    written.push_str(&text[at..]);
    written
}

#[derive(Default)]
struct PerlClasses(Vec<(Span, &'static str)>);

impl PerlClasses {
    fn note(&mut self, class: &ClassPerl) {
        let written = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => r"[\t\n\f\r ]",
            (ClassPerlKind::Space, true) => r"[^\t\n\f\r ]",
            (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
            (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
        };
        self.0.push((class.span, written));
    }
}

impl Visitor for PerlClasses {
    type Output = Vec<(Span, &'static str)>;
    type Err = std::convert::Infallible;

    fn finish(self) -> Result<Self::Output, Self::Err> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Self::Err> {
        if let Ast::ClassPerl(class) = ast {
            self.note(class);
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Self::Err> {
        if let ClassSetItem::Perl(class) = item {
            self.note(class);
        }
        Ok(())
    }
}
