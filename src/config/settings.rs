//! All settings together: read from the command line and the environment, and checked as a whole.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory};

use crate::config::environment::{Environment, SECRETS, SettingError};
use crate::config::sections::{
    ConnectionSettings, DatabaseSettings, GraphqlSettings, HttpSettings, KeySettings, LogSettings, PasswordSettings,
    RedisSettings, RequestSettings, ServerSettings, SocketSettings, Stage, TokenSettings,
};
use crate::config::values::Switch;
use crate::config::variable::variable;

/// All settings, one field for each section.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    #[command(flatten)]
    pub server: ServerSettings,
    #[command(flatten)]
    pub database: DatabaseSettings,
    #[command(flatten)]
    pub redis: RedisSettings,
    #[command(flatten)]
    pub keys: KeySettings,
    #[command(flatten)]
    pub tokens: TokenSettings,
    #[command(flatten)]
    pub passwords: PasswordSettings,
    #[command(flatten)]
    pub http: HttpSettings,
    #[command(flatten)]
    pub graphql: GraphqlSettings,
    #[command(flatten)]
    pub sockets: SocketSettings,
    #[command(flatten)]
    pub connections: ConnectionSettings,
    #[command(flatten)]
    pub requests: RequestSettings,
    #[command(flatten)]
    pub log: LogSettings,
}

impl Settings {
    /// Puts the values of the environment before the arguments of the command line, which override
    /// them.
    #[must_use]
    pub fn arguments<C: CommandFactory>(
        environment: &Environment,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Vec<OsString> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        // Help must work even if a setting in the environment is wrong.
        if arguments.iter().any(|argument| {
            ["-h", "--help", "help", "-V", "--version"]
                .iter()
                .any(|help| argument == help)
        }) {
            return arguments;
        }
        let mut arguments = arguments.into_iter();
        let program = arguments.next().unwrap_or_default();
        let from_environment = options::<C>().into_iter().filter_map(|option| {
            let value = environment.get(&variable(&option))?;
            Some(OsString::from(format!("--{option}={value}")))
        });
        std::iter::once(program)
            .chain(from_environment)
            .chain(arguments)
            .collect()
    }

    /// The sentence for an error about a value; `None` for an error in the form of the command
    /// line. The value of a secret is not shown.
    #[must_use]
    pub fn value_error(error: &clap::Error) -> Option<SettingError> {
        let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
            return None;
        };
        let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue) else {
            return None;
        };
        let name = variable(argument.split([' ', '=']).next()?);
        let rule = std::error::Error::source(error)?.to_string();
        let shown = if SECRETS.contains(&name.as_str()) {
            String::new()
        } else {
            format!(" is \"{value}\", which")
        };
        Some(SettingError(format!("{name}{shown} {rule}.")))
    }

    /// Checks rules that concern several settings.
    ///
    /// # Errors
    /// Names the setting to change.
    pub fn check(&self) -> Result<(), SettingError> {
        if self.is_production() {
            self.keys.check_for_production()?;
        }
        self.tokens.check()?;
        self.requests.check()?;
        self.passwords.check()
    }

    #[must_use]
    pub fn is_production(&self) -> bool {
        self.server.environment == Stage::Production
    }

    #[must_use]
    pub fn is_graphiql_on(&self) -> bool {
        self.http.graphiql.map_or(!self.is_production(), Switch::is_on)
    }

    #[must_use]
    pub fn is_introspection_on(&self) -> bool {
        self.http
            .graphql_introspection
            .map_or(!self.is_production(), Switch::is_on)
    }
}

/// The names of all settings, as options of the command line.
fn options<C: CommandFactory>() -> Vec<String> {
    C::command()
        .get_arguments()
        .filter(|argument| argument.get_action().takes_values())
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .collect()
}
