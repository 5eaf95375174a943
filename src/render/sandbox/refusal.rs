//! Why the sandbox has no answer.

use super::super::problem::TemplateProblem;

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It takes too long.
    TooLong,
    /// It takes too much memory, or is too deep.
    TooMuch,
    /// Others have taken all places all the time.
    Full,
    /// The time for all that a request asks for is over.
    Late,
    /// The system starts no process for it, for this reason.
    NoProcess(String),
    /// Something else ended it, twice.
    Killed,
    /// It broke off for no good reason.
    Broke,
}

impl Refusal {
    pub(crate) fn problem(&self, file: &str) -> TemplateProblem {
        let message = match self {
            Self::TooLong => "takes too much time, and was ended after 5 s".to_owned(),
            Self::TooMuch => "takes too much memory, and was ended".to_owned(),
            Self::Full => "was not run: others take all the time there is".to_owned(),
            Self::Late => "was not run to its end: the time for all templates of one request was over".to_owned(),
            Self::NoProcess(why) => format!("cannot be run: the system starts no process for it ({why})"),
            Self::Killed => "was ended by the system, perhaps for want of memory".to_owned(),
            Self::Broke => "broke off inside the relay; please report it".to_owned(),
        };
        TemplateProblem::new(file, message)
    }
}
