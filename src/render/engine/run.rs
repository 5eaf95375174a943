//! One run of a template: its text, as long as it may be, and which templates wrote it.

use std::io;

use minijinja::{Environment, Value};

use super::super::cost::LONGEST_TEXT;
use super::super::filters::{Directives, More, Notes};
use super::super::problem::{Trace, is_too_much};
use super::{Failure, Written};

/// Room for what a notification of a few alerts is written in.
pub(super) const USUAL_TEXT: usize = 4096;

/// More pieces of a text are not placed: a template that writes so many has other faults.
pub(super) const MOST_SPANS: usize = 100_000;

pub(super) fn run(env: &Environment<'_>, file: &str, context: &Value) -> Result<Written, Failure> {
    let failure = |error: minijinja::Error| {
        let trace = Trace::from_error(file, &error);
        if is_too_much(&error) {
            Failure::TooMuch(trace)
        } else {
            Failure::Wrong(trace)
        }
    };
    let template = env.get_template(file).map_err(failure)?;
    let mut written = Limited(Vec::with_capacity(USUAL_TEXT));
    let captured = template
        .render_captured_to(context.clone(), &mut written)
        .map_err(failure)?;
    let directives = captured
        .state()
        .get_extension::<Directives>()
        .cloned()
        .unwrap_or_default();
    let notes = captured.state().get_extension::<Notes>().cloned().unwrap_or_default();
    drop(captured);
    let mut markdown =
        String::from_utf8(written.0).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    let own = markdown.len();
    let hidden = add_hidden_line(&mut markdown, context, &directives);
    Ok(Written {
        markdown,
        own,
        directives,
        hidden,
        notes: notes.0,
    })
}

/// A template that shows fewer alerts than there are says so; if it does not, the relay does.
pub(super) fn add_hidden_line(markdown: &mut String, context: &Value, directives: &Directives) -> usize {
    let more = context.get_attr("more").unwrap_or_default();
    let Some(more) = more.downcast_object_ref::<More>() else {
        return 0;
    };
    let hidden = more.hidden(directives);
    if hidden.total() > 0 && !directives.said_more {
        markdown.push_str("\n\n");
        markdown.push_str(&more.line(&hidden));
    }
    hidden.total()
}

pub(super) struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_TEXT {
            return Err(io::Error::other("too much text"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
