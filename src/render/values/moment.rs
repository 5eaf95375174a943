//! A time, as templates get it.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::{DynObject, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};

/// A point in time that knows what "now" and "here" are, so that `time` can be short.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    pub(crate) now: Timestamp,
    pub(crate) zone: TimeZone,
}

impl Moment {
    /// The time so many seconds after 1970.
    pub(crate) fn at_second(seconds: f64) -> Option<Timestamp> {
        let nanoseconds = seconds * 1e9;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the cast saturates, and what is out of range is refused"
        )]
        let whole = nanoseconds as i128;
        Timestamp::from_nanosecond(whole).ok()
    }

    /// So many seconds later.
    pub(crate) fn moved(&self, seconds: f64) -> Option<Value> {
        let span = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
        let at = self.at.checked_add(span).ok()?;
        Some(Value::from_object(Self { at, ..self.clone() }))
    }

    /// The time that a text is, to be compared with this one.
    pub(crate) fn same_kind(&self, text: &str) -> Option<Value> {
        let at = text.trim().parse().ok()?;
        Some(Value::from_object(Self { at, ..self.clone() }))
    }
}

impl Object for Moment {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| self.at.cmp(&other.at))
    }

    // `now()`, as it is called elsewhere.
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Ok(Value::from_dyn_object(Arc::clone(self)))
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let value = Value::from_dyn_object(Arc::clone(self));
        match method {
            "strftime" => {
                let all: Vec<Value> = std::iter::once(value).chain(args.iter().cloned()).collect();
                state.apply_filter("time", &all)
            }
            "timestamp" => Ok(Value::from(self.at.as_second())),
            "isoformat" => Ok(Value::from(self.at.to_string())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
