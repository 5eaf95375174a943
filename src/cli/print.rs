//! What goes to standard output.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::{intake, startup, workshop};

/// A line for the user; a closed pipe is no error.
pub(super) fn line(text: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// A table whose columns are as wide as what stands in them.
pub(super) struct Columns<const N: usize>(Vec<[String; N]>);

impl<const N: usize> Columns<N> {
    pub(super) fn new(titles: [&str; N]) -> Self {
        Self(vec![titles.map(str::to_uppercase)])
    }

    pub(super) fn row(&mut self, cells: [String; N]) {
        self.0.push(cells);
    }

    pub(super) fn print(&self) -> io::Result<()> {
        let width = |column: usize| self.0.iter().map(|row| row[column].chars().count()).max();
        let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or_default()).collect();
        for row in &self.0 {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// The `OpenAPI` document as YAML, which is what `openapi/openapi.yaml` holds.
pub(super) fn openapi() -> anyhow::Result<ExitCode> {
    let document = intake::openapi(&startup::examples(), workshop::operations());
    line(serde_saphyr::to_string(&document)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
