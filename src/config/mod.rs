//! The settings. Nothing else reads the environment.
//!
//! Every setting has one name: `PUBLIC_URL` in the environment or in a `.env` file is
//! `--public-url` on the command line. The command line wins over the environment, the environment
//! over `.env`, and `.env` over the default. A value is parsed once, here, into the type that the
//! rest of the code uses. A wrong value is reported in one sentence: the setting, the problem, an
//! example.
//!
//! Each file in `sections` holds the settings of one subject: names, defaults, bounds, help texts,
//! and the parsers that only this subject needs. A new subject adds a file there and a field to
//! `Settings`.

mod environment;
mod generated_secret;
mod sections;
mod settings;
mod values;
mod variable;

pub use environment::{Environment, SECRETS, SettingError};
pub use sections::{
    Argon2Cost, AuthSecret, ConnectionSettings, DatabaseSettings, DatabaseUrl, GraphqlSettings, HttpSettings,
    KeySettings, LogFormat, LogSettings, PasswordSettings, RedisSettings, RedisUrl, RequestSettings, ServerSettings,
    SocketSettings, Stage, TokenSettings,
};
pub use settings::Settings;
pub use values::Switch;
pub use variable::variable;
