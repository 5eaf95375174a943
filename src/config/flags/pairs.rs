//! A secret and the file that may hold it instead: which of both counts where both are given.

use clap::ArgMatches;
use clap::parser::ValueSource;
use secrecy::SecretString;

use super::Flags;

impl Flags {
    /// A secret that was given as a flag beats the file that a variable names, and a file that was given as a flag beats
    /// the secret in a variable. Two variables, or two flags, stay a contradiction.
    pub fn let_flags_win(&mut self, matches: &ArgMatches) {
        let mut overruled = Vec::new();
        for pair in self.secrets() {
            let from = |name| matches.value_source(name);
            match (from(pair.name), from(pair.file_name)) {
                (Some(ValueSource::CommandLine), Some(ValueSource::EnvVariable)) => {
                    *pair.file = None;
                    overruled.push(pair.file_name);
                }
                (Some(ValueSource::EnvVariable), Some(ValueSource::CommandLine)) => {
                    *pair.value = None;
                    overruled.push(pair.name);
                }
                _ => {}
            }
        }
        self.sources.forget(&overruled);
    }

    fn secrets(&mut self) -> [SecretPair<'_>; 11] {
        let (http, auth) = (&mut self.http, &mut self.auth);
        let (delivery, silence) = (&mut self.delivery, &mut self.silence);
        macro_rules! pair {
            ($owner:expr, $value:ident, $file:ident) => {
                SecretPair {
                    name: stringify!($value),
                    file_name: stringify!($file),
                    value: &mut $owner.$value,
                    file: &mut $owner.$file,
                }
            };
        }
        [
            pair!(self, access_token, access_token_file),
            pair!(self, recovery_key, recovery_key_file),
            pair!(self, hook_url, hook_url_file),
            pair!(http, relay_token, relay_token_file),
            pair!(delivery, database_url, database_url_file),
            pair!(auth, basic_auth, basic_auth_file),
            pair!(auth, hmac_secret, hmac_secret_file),
            pair!(auth, page_auth, page_auth_file),
            pair!(auth, page_token, page_token_file),
            pair!(auth, metrics_token, metrics_token_file),
            pair!(silence, heartbeat_url, heartbeat_url_file),
        ]
    }
}

/// A secret and the file that may hold it instead.
struct SecretPair<'a> {
    name: &'static str,
    file_name: &'static str,
    value: &'a mut Option<SecretString>,
    file: &'a mut Option<String>,
}
