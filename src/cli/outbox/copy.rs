//! `outbox backup` and `outbox restore`: what they copied, and what else there is to keep.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::cli::print::line;
use crate::matrix::RECOVERY_KEY_FILE;
use crate::outbox::{Outbox, Settings};

pub(super) async fn backup(settings: &Settings, file: PathBuf) -> anyhow::Result<ExitCode> {
    Outbox::backup(settings, file.clone()).await?;
    line(&format!("the outbox is in {}", file.display()))?;
    if has_keys(&settings.data_dir) {
        line(&format!(
            "not in it: the keys of encrypted rooms. Keep a copy of {}; the keys of the device ({}) are of no use in a backup, because \
             they change with each message",
            settings.data_dir.join(RECOVERY_KEY_FILE).display(),
            settings.data_dir.join("encryption").display(),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(settings: &Settings, file: PathBuf) -> anyhow::Result<ExitCode> {
    let before = Outbox::restore(settings, file.clone()).await?;
    line(&format!(
        "the outbox is as it was when {} was made; the relay sends what waited then when it starts, and recognises most of what was \
         sent since",
        file.display()
    ))?;
    if let Some(before) = before {
        line(&format!("the outbox that was there before is in {}", before.display()))?;
    }
    if !has_keys(&settings.data_dir) {
        line(
            "if the bot sends into encrypted rooms: on a new machine, log it in again for a new access token, and give the relay its \
             recovery key (MATRIX_RECOVERY_KEY)",
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether this folder has the keys of a device.
fn has_keys(data: &Path) -> bool {
    data.join("encryption").is_dir()
}
