//! What a route that takes bodies of any shape says of them: expressions of templates over `payload`.
//!
//! They are texts here. Whoever reads the routes file has tried them, and `render` evaluates them.

/// One expression for each thing that a body may say; `None` where the route reads none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Input {
    /// What it is about.
    pub group: Option<String>,
    /// Whether that fires or is over.
    pub state: Option<String>,
    /// What the message is called.
    pub title: Option<String>,
    /// How bad it is.
    pub severity: Option<String>,
}

impl Input {
    /// The expressions by their names in the routes file.
    pub fn expressions(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("group", self.group.as_deref()),
            ("state", self.state.as_deref()),
            ("title", self.title.as_deref()),
            ("severity", self.severity.as_deref()),
        ]
    }
}
