//! The settings: the only reader of the environment.
//!
//! Every setting has one name: `PUBLIC_URL` in the environment or in a `.env` file is `--public-url` on the
//! command line. What is nearer wins: command line, environment, `.env`, default. A value is parsed once, here, into
//! the type that the rest of the code uses; a wrong one is a sentence that names the setting, the problem and an example.

mod bounds;
mod environment;
mod generated_secret;
mod settings;
mod values;

pub use bounds::{ConnectionSettings, GraphqlSettings, RequestSettings, SocketSettings};
pub use environment::{Environment, SECRETS, SettingError};
pub use settings::{
    Argon2Cost, DatabaseSettings, HttpSettings, KeySettings, LogSettings, PasswordSettings, RedisSettings,
    ServerSettings, Settings, TokenSettings,
};
pub use values::{AuthSecret, DatabaseUrl, LogFormat, RedisUrl, Stage, Switch};

/// The name of a setting in the environment for its name on the command line.
#[must_use]
pub fn variable(option: &str) -> String {
    option.trim_start_matches('-').replace('-', "_").to_ascii_uppercase()
}
