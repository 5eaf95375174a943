//! Where in its tokens a reader stands.

use super::super::pieces::Piece;
use super::Reader;

impl<'s> Reader<'_, 's> {
    pub(super) fn peek(&self) -> Option<Piece<'s>> {
        self.pieces.get(self.at).copied()
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.peek().is_some_and(|piece| piece.text == text)
    }

    /// The next piece with the spaces before it.
    pub(super) fn take(&mut self) -> Option<String> {
        let piece = self.peek()?;
        self.at += 1;
        Some(format!("{}{}", piece.space, piece.text))
    }

    /// Everything up to a piece outside of brackets, with it.
    pub(super) fn until(&mut self, end: &str) -> Option<String> {
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

    pub(super) fn rest(&mut self) -> String {
        std::iter::from_fn(|| self.take()).collect()
    }

    pub(super) fn at_end(&self) -> bool {
        self.at == self.pieces.len()
    }

    /// The line of the next piece.
    pub(super) fn line(&self) -> usize {
        self.lines.get(self.at).copied().unwrap_or_default()
    }
}
