//! Where RE2, which Alertmanager uses, and the crate `regex` read the same expression in two ways.
//!
//! Guarantees: an expression either means here what it means there, or is refused with what to write instead, so that no
//! rule that was moved from an Alertmanager sends an alert elsewhere in silence. `\d`, `\w`, `\s`, `\b` and `\B` mean ASCII.
//! Deliberately not: refusing what Alertmanager itself refuses, such as `\p{Emoji}`.

use regex_syntax::ast::{
    Assertion, AssertionKind, Ast, ClassPerl, ClassPerlKind, ClassSetBinaryOp, ClassSetBinaryOpKind, ClassSetItem,
    Flag, Flags, FlagsItemKind, GroupKind, Span, Visitor, visit,
};

/// The text with RE2's meaning spelt out for the crate, or why that cannot be done.
pub(super) fn as_re2(text: &str, ast: &Ast) -> Result<String, String> {
    let reader = Reader {
        text,
        spelt: Vec::new(),
    };
    let mut spelt = visit(ast, reader)?;
    spelt.sort_unstable_by_key(|(span, _)| span.start.offset);
    let (mut written, mut at) = (String::with_capacity(text.len()), 0);
    for (span, meaning) in spelt {
        written.push_str(&text[at..span.start.offset]);
        written.push_str(meaning);
        at = span.end.offset;
    }
    written.push_str(&text[at..]);
    Ok(written)
}

struct Reader<'t> {
    text: &'t str,
    spelt: Vec<(Span, &'static str)>,
}

impl Reader<'_> {
    fn piece(&self, span: &Span) -> &str {
        self.text.get(span.start.offset..span.end.offset).unwrap_or_default()
    }

    fn class(&mut self, class: &ClassPerl) {
        let meaning = match (&class.kind, class.negated) {
            (ClassPerlKind::Digit, false) => "[0-9]",
            (ClassPerlKind::Digit, true) => "[^0-9]",
            (ClassPerlKind::Space, false) => r"[\t\n\f\r ]",
            (ClassPerlKind::Space, true) => r"[^\t\n\f\r ]",
            (ClassPerlKind::Word, false) => "[0-9A-Za-z_]",
            (ClassPerlKind::Word, true) => "[^0-9A-Za-z_]",
        };
        self.spelt.push((class.span, meaning));
    }

    fn assertion(&mut self, assertion: &Assertion) -> Result<(), String> {
        let meaning = match assertion.kind {
            AssertionKind::WordBoundary => r"(?-u:\b)",
            AssertionKind::NotWordBoundary => r"(?-u:\B)",
            AssertionKind::StartLine | AssertionKind::EndLine | AssertionKind::StartText | AssertionKind::EndText => {
                return Ok(());
            }
            AssertionKind::WordBoundaryStartAngle | AssertionKind::WordBoundaryEndAngle => {
                return Err(
                    r"`\<` and `\>` are plain signs to Alertmanager; write `<` and `>`, or `\b` for a boundary"
                        .to_owned(),
                );
            }
            AssertionKind::WordBoundaryStart
            | AssertionKind::WordBoundaryEnd
            | AssertionKind::WordBoundaryStartHalf
            | AssertionKind::WordBoundaryEndHalf => {
                let piece = self.piece(&assertion.span);
                return Err(format!(r"Alertmanager does not know `{piece}`; write `\b`"));
            }
        };
        self.spelt.push((assertion.span, meaning));
        Ok(())
    }

    /// RE2 takes what is not exactly a count as plain text.
    fn count(&self, span: &Span) -> Result<(), String> {
        let piece = self.piece(span);
        let Some((count, _)) = piece.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
            return Ok(());
        };
        let is_number =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        if count.split(',').all(is_number) {
            return Ok(());
        }
        Err(format!(
            r"`{piece}` is plain text to Alertmanager; write a count without spaces and leading zeros, or `\{{` for the sign"
        ))
    }
}

fn flags(flags: &Flags) -> Result<(), String> {
    let foreign = flags.items.iter().find_map(|item| match item.kind {
        FlagsItemKind::Flag(Flag::IgnoreWhitespace) => Some('x'),
        FlagsItemKind::Flag(Flag::CRLF) => Some('R'),
        FlagsItemKind::Flag(Flag::Unicode) => Some('u'),
        FlagsItemKind::Flag(Flag::CaseInsensitive | Flag::MultiLine | Flag::DotMatchesNewLine | Flag::SwapGreed)
        | FlagsItemKind::Negation => None,
    });
    match foreign {
        Some(flag) => Err(format!(
            "Alertmanager does not know the flag `{flag}`; it has i, m, s and U"
        )),
        None => Ok(()),
    }
}

impl Visitor for Reader<'_> {
    type Output = Vec<(Span, &'static str)>;
    type Err = String;

    fn finish(self) -> Result<Self::Output, String> {
        Ok(self.spelt)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        match ast {
            Ast::ClassPerl(class) => self.class(class),
            Ast::Assertion(assertion) => self.assertion(assertion)?,
            Ast::Repetition(repetition) => self.count(&repetition.op.span)?,
            Ast::Flags(set) => flags(&set.flags)?,
            Ast::Group(group) => {
                if let GroupKind::NonCapturing(set) = &group.kind {
                    flags(set)?;
                }
            }
            Ast::Empty(_)
            | Ast::Literal(_)
            | Ast::Dot(_)
            | Ast::ClassUnicode(_)
            | Ast::ClassBracketed(_)
            | Ast::Alternation(_)
            | Ast::Concat(_) => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), String> {
        match item {
            ClassSetItem::Perl(class) => self.class(class),
            ClassSetItem::Bracketed(inner) => {
                let piece = self.piece(&inner.span);
                return Err(format!(
                    r"`{piece}` inside a class ends it for Alertmanager; write `\[` and `\]` where the signs are meant"
                ));
            }
            ClassSetItem::Empty(_)
            | ClassSetItem::Literal(_)
            | ClassSetItem::Range(_)
            | ClassSetItem::Ascii(_)
            | ClassSetItem::Unicode(_)
            | ClassSetItem::Union(_) => {}
        }
        Ok(())
    }

    fn visit_class_set_binary_op_pre(&mut self, operation: &ClassSetBinaryOp) -> Result<(), String> {
        let sign = match operation.kind {
            ClassSetBinaryOpKind::Intersection => '&',
            ClassSetBinaryOpKind::Difference => '-',
            ClassSetBinaryOpKind::SymmetricDifference => '~',
        };
        Err(format!(
            r"`{sign}{sign}` in a class is plain text to Alertmanager; write `\{sign}` where the sign is meant"
        ))
    }
}
