//! The settings of the HTTP server, as text.

use clap::Args;
use secrecy::SecretString;

use super::hidden;

/// Where the relay listens, and what callers show. Unparsed.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "HTTP")]
pub struct HttpFlags {
    /// Address to listen on. In a container it has to be 0.0.0.0, which the image sets.
    #[arg(long, value_name = "ADDRESS", env = "RELAY_HOST", default_value = "127.0.0.1")]
    pub host: Option<String>,

    /// Port to listen on; 0 takes any free one.
    #[arg(long, value_name = "PORT", env = "RELAY_PORT", default_value = "9042")]
    pub port: Option<String>,

    /// Token that callers send as `Authorization: Bearer TOKEN`. Without a credential, anyone who reaches the port can send
    /// messages to your room. `openssl rand -hex 32` makes one.
    #[arg(long, value_name = "TOKEN", env = "RELAY_TOKEN", alias = "relay_token", value_parser = hidden)]
    pub relay_token: Option<SecretString>,

    /// File that holds the relay's token; several tokens stand one on each line, while a new one replaces an old one.
    ///
    /// Example: `/run/secrets/relay_token`
    #[arg(long, value_name = "FILE", env = "RELAY_TOKEN_FILE")]
    pub relay_token_file: Option<String>,

    /// Largest request body in bytes.
    #[arg(long, value_name = "BYTES", env = "RELAY_MAX_BODY_BYTES", default_value = "8388608")]
    pub max_body_bytes: Option<String>,

    /// How long requests and deliveries in flight may take to finish at shutdown; a few seconds more if the outbox does not
    /// answer.
    #[arg(long, value_name = "DURATION", env = "RELAY_SHUTDOWN_GRACE", default_value = "10s")]
    pub shutdown_grace: Option<String>,
}
