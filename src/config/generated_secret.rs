//! The `AUTH_SECRET` of a development machine: generated once, and kept beside the data that it
//! protects.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::config::environment::SettingError;
use crate::config::sections::{AUTH_SECRET_BYTES, AuthSecret, auth_secret};
use crate::config::settings::Settings;

impl Settings {
    /// The configured secret, or the one in the data folder, which is generated if it is missing.
    ///
    /// # Errors
    /// When the file can be neither read nor created, or contains no secret.
    pub fn auth_secret(&self) -> Result<AuthSecret, SettingError> {
        if let Some(secret) = &self.keys.auth_secret {
            return Ok(secret.clone());
        }
        let file = self.database.database_url.data_folder().join("auth-secret");
        let text = read_or_generate(&file).map_err(|error| {
            SettingError(format!(
                "AUTH_SECRET is not set, and {} can be neither read nor made ({error}); set it, for example to the output of: openssl rand -base64 32.",
                file.display()
            ))
        })?;
        auth_secret(text.trim()).map_err(|rule| SettingError(format!("AUTH_SECRET in {} {rule}.", file.display())))
    }
}

/// Two processes that start together must agree on one secret. So the secret is written completely
/// under a temporary name and then linked to its name, which fails if another process was first.
fn read_or_generate(file: &Path) -> std::io::Result<String> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        read => return read,
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut secret = [0; AUTH_SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut secret).map_err(std::io::Error::other)?;
    let temporary = file.with_extension(Uuid::new_v4().to_string());
    let mut written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    written.write_all(format!("{}\n", STANDARD.encode(secret)).as_bytes())?;
    written.sync_all()?;
    let linked = fs::hard_link(&temporary, file);
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => fs::read_to_string(file),
    }
}
