//! What a relay that runs can read again: the secrets that stand in files. Flags and variables are those of the start.
//!
//! Guarantees: all of it can be used, or every problem is named and nothing is handed out. The routes file is read by its
//! `Watch`, from the source that is handed out here.

use secrecy::SecretString;

use super::routes::RoutesSource;
use super::value::{self, Values, secret};
use super::{ConfigError, Flags, credentials, server, silence};
use crate::intake::CredentialSettings;
use crate::matrix;
use crate::silence::HeartbeatSettings;

/// How to read again.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    flags: Box<Flags>,
    source: Box<RoutesSource>,
    has_account: bool,
}

/// What was read again.
#[derive(Debug)]
pub struct Reread {
    /// Where routes come from, with the credentials of flags, variables and their files.
    pub source: RoutesSource,
    /// What people show at the pages.
    pub pages: CredentialSettings,
    /// What Prometheus shows.
    pub metrics: CredentialSettings,
    /// The access token of an account, if the relay has one.
    pub access_token: Option<SecretString>,
    /// Where the heartbeat goes, if there is one.
    pub heartbeat: Option<HeartbeatSettings>,
    /// The files of secrets that were read for it.
    pub files: Vec<String>,
}

impl Origin {
    pub(super) fn new(flags: &Flags, source: &RoutesSource, has_account: bool) -> Self {
        Self {
            flags: Box::new(flags.clone()),
            source: Box::new(source.clone()),
            has_account,
        }
    }

    /// Reads all of it; blocks.
    pub fn read(&self) -> Result<Reread, ConfigError> {
        let (flags, mut values) = (&self.flags, Values::default());
        let source = RoutesSource {
            credentials: credentials(flags, &mut values),
            ..*self.source.clone()
        };
        let auth = server(flags, &mut values).auth;
        let access_token = self.access_token(&mut values);
        let heartbeat = silence::settings(&flags.silence, &mut values).heartbeat;
        if !values.problems.is_empty() {
            return Err(values.error());
        }
        Ok(Reread {
            source,
            pages: auth.pages,
            metrics: auth.metrics,
            access_token,
            heartbeat,
            files: self.files(),
        })
    }

    fn access_token(&self, values: &mut Values) -> Option<SecretString> {
        let flags = &self.flags;
        let given = secret!(flags.access_token, access_token_file);
        let token = values.secret(given).filter(|_| self.has_account)?;
        if let Err(error) = matrix::check_token(&token) {
            values.unusable(given.name, error);
        }
        Some(token)
    }

    fn files(&self) -> Vec<String> {
        let (flags, auth) = (&self.flags, &self.flags.auth);
        let files = [
            flags.access_token_file.as_ref().filter(|_| self.has_account),
            flags.http.relay_token_file.as_ref(),
            auth.basic_auth_file.as_ref(),
            auth.hmac_secret_file.as_ref(),
            auth.page_auth_file.as_ref(),
            auth.page_token_file.as_ref(),
            auth.metrics_token_file.as_ref(),
            flags.silence.heartbeat_url_file.as_ref(),
        ];
        let set = files.into_iter().flatten().filter_map(|file| value::set(Some(file)));
        set.map(str::to_owned).collect()
    }
}
