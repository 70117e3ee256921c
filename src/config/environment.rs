//! The sources of values besides the command line: the process's environment, a `.env` file, and
//! the files that `…_FILE` variables name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Settings whose value may come from a file (`…_FILE`), and never appears in messages.
pub const SECRETS: [&str; 3] = ["AUTH_SECRET", "DATABASE_URL", "REDIS_URL"];

/// Variables by name. An empty variable counts as unset, because compose files and service managers
/// cannot leave a variable out.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// A setting that cannot be used, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingError(pub String);

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SettingError {}

impl Environment {
    /// Reads the `.env` file of the working folder, if it exists, and overrides it with the
    /// process's environment.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn read() -> Result<Self, SettingError> {
        let mut values = dot_env(Path::new(".env"))?;
        let process =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        values.extend(process.filter(|(_, value)| !value.is_empty()));
        Self::from_values(values)
    }

    /// Uses these variables, and reads the files that `…_FILE` variables name.
    pub fn from_values(values: impl IntoIterator<Item = (String, String)>) -> Result<Self, SettingError> {
        let mut values: BTreeMap<String, String> = values.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        for name in SECRETS {
            let Some(path) = values.get(&format!("{name}_FILE")) else {
                continue;
            };
            if values.contains_key(name) {
                return Err(SettingError(format!(
                    "{name} and {name}_FILE are both set; keep one of them."
                )));
            }
            let text = std::fs::read_to_string(path).map_err(|error| {
                SettingError(format!("{name}_FILE is \"{path}\", which cannot be read ({error}); name a readable file, for example /run/secrets/auth_secret."))
            })?;
            values.insert(name.to_owned(), text.trim_end_matches(['\r', '\n']).to_owned());
        }
        Ok(Self(values))
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

fn dot_env(path: &Path) -> Result<BTreeMap<String, String>, SettingError> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    // The library's own message quotes the line, which may contain a secret.
    let error = |_: dotenvy::Error| {
        SettingError(
            "The file .env cannot be read or has a line that is not NAME=value, for example PORT=8000.".to_owned(),
        )
    };
    let entries = dotenvy::from_path_iter(path).map_err(error)?;
    entries.map(|entry| entry.map_err(error)).collect()
}
