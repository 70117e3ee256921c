//! The two names of a setting.

/// The name in the environment for a name on the command line: `PUBLIC_URL` for `--public-url`.
#[must_use]
pub fn variable(option: &str) -> String {
    option.trim_start_matches('-').replace('-', "_").to_ascii_uppercase()
}
