//! `identity`: who vouches for the relay's device in encrypted rooms.
//!
//! It works beside a relay that runs, and replaces nothing without `--yes`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use secrecy::SecretString;
use serde_json::json;

use super::help;
use super::print::line;
use crate::config::{Flags, Settings};
use crate::matrix::{Client, Identity, TransportSettings};

/// What to do with the identity of the bot's account.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Say whether the account has an identity, and whether it vouches for the relay's device.
    #[command(after_help = help::IDENTITY_SHOW)]
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sign the relay's device by the recovery key (`MATRIX_RECOVERY_KEY`, or the file in the data folder).
    #[command(after_help = help::IDENTITY_RECOVER)]
    Recover,
    /// Make a new identity in place of the one that the account has. Who has verified the bot has to do it again.
    #[command(after_help = help::IDENTITY_RESET)]
    Reset(Reset),
}

/// How to reset it.
#[derive(Debug, Clone, Args)]
pub struct Reset {
    /// File with the password of the account, if the homeserver asks for it.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Replace the identity that the account has.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(flags: &Flags, command: Command) -> anyhow::Result<ExitCode> {
    let settings = Settings::from_flags(flags)?;
    let TransportSettings::HomeServer(settings) = settings.matrix else {
        bail!("a webhook (MATRIX_HOOK_URL) has no account, and so no identity");
    };
    let client = Client::new(&settings)?;
    match command {
        Command::Show { json } => show(&client.identity().await?, json),
        Command::Recover => {
            client.recover_identity().await?;
            line("the identity of the account vouches for the relay's device now")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Reset(reset) => replace(&client, reset).await,
    }
}

fn show(identity: &Identity, as_json: bool) -> anyhow::Result<ExitCode> {
    let Identity {
        user_id,
        device_id,
        master_key,
        has_keys,
        is_signed,
        has_storage,
    } = identity;
    let is_well = *is_signed || !*has_keys;
    let code = if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if as_json {
        let report = json!({
            "account": user_id, "device": device_id, "identity": master_key,
            "device_has_keys": has_keys, "device_signed": is_signed, "secret_storage": has_storage,
        });
        line(&serde_json::to_string_pretty(&report)?)?;
        return Ok(code);
    }
    line(&format!("account   {user_id}"))?;
    line(&format!("device    {device_id}"))?;
    line(&match master_key {
        Some(key) => format!("identity  {key}"),
        None => "identity  none: the relay makes one when it first meets an encrypted room".to_owned(),
    })?;
    line(match (has_keys, is_signed) {
        (false, _) => {
            "signed    no: the device has no keys yet, the relay makes them when it first meets an encrypted room"
        }
        (true, true) => "signed    yes: the identity vouches for the device",
        (true, false) => {
            "signed    no: some clients warn of the relay's messages in encrypted rooms, and others hide them; \
             `identity recover` signs it by the recovery key, `identity reset` makes a new identity"
        }
    })?;
    line(if *has_storage {
        "recovery  the account has a secret storage, which its recovery key unlocks"
    } else {
        "recovery  the account has no secret storage"
    })?;
    Ok(code)
}

async fn replace(client: &Client, reset: Reset) -> anyhow::Result<ExitCode> {
    let identity = client.identity().await?;
    if let Some(key) = identity.master_key.filter(|_| !reset.yes) {
        bail!(
            "{} has the identity {key}: people who have verified it have to verify the new one, and its recovery key becomes \
             useless; add --yes to replace it",
            identity.user_id
        );
    }
    let password = match &reset.password_file {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Some(SecretString::from(text.trim_end_matches(['\r', '\n'])))
        }
        None => None,
    };
    let file = client.reset_identity(password.as_ref()).await?;
    line(&format!(
        "{} has a new identity, and it vouches for the relay's device. The recovery key is in {}: keep a copy of it in a safe place",
        identity.user_id,
        file.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}
