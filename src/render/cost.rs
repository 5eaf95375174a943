//! What a template's texts may cost: the engine counts what it makes itself, this is for what is made on its behalf.
//!
//! Guarantees: everything is paid for before it is there, because a text that is refused afterwards has taken the memory
//! already.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use minijinja::{Error, ErrorKind, State, Value};

/// More than any message can hold, so reaching it is a mistake in the template.
pub(super) const LONGEST_TEXT: usize = 1 << 20;

/// How many bytes one unit of fuel pays for, as in the engine.
const BYTES: usize = 64;

/// Pays for so many bytes.
pub(super) fn pay(state: &State<'_, '_>, bytes: usize) -> Result<(), Error> {
    state.consume_fuel(bytes.div_ceil(BYTES).try_into().unwrap_or(u64::MAX))
}

/// Adds to a text what can be paid for.
pub(super) fn push(state: &State<'_, '_>, out: &mut String, text: &str) -> Result<(), Error> {
    pay(state, text.len())?;
    out.push_str(text);
    Ok(())
}

/// Refuses a text that no message could hold.
pub(super) fn check(text: &str) -> Result<(), Error> {
    if text.len() > LONGEST_TEXT {
        return Err(Error::from(ErrorKind::OutOfFuel));
    }
    Ok(())
}

/// The text of a value, if a message could hold it; nothing for what is missing.
pub(super) fn text(value: &Value) -> Result<Cow<'_, str>, Error> {
    if let Some(text) = value.as_str() {
        check(text)?;
        return Ok(Cow::Borrowed(text));
    }
    if value.is_undefined() || value.is_none() {
        return Ok(Cow::Borrowed(""));
    }
    let mut out = Capped::new(LONGEST_TEXT);
    write!(out, "{value}").map_err(|_| Error::from(ErrorKind::OutOfFuel))?;
    Ok(Cow::Owned(out.into_text()))
}

/// Takes only so many bytes, and refuses what would be more.
pub(super) struct Capped {
    text: String,
    most: usize,
}

impl Capped {
    pub(super) fn new(most: usize) -> Self {
        let text = String::new();
        Self { text, most }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl fmt::Write for Capped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() + text.len() > self.most {
            return Err(fmt::Error);
        }
        self.text.push_str(text);
        Ok(())
    }
}
