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

/// The `OpenAPI` document as YAML, which is what `openapi/openapi.yaml` holds.
pub(super) fn openapi() -> anyhow::Result<ExitCode> {
    let document = intake::openapi(&startup::examples(), workshop::operations());
    line(serde_saphyr::to_string(&document)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
