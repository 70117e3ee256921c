//! The `AUTH_SECRET` of a development machine: generated once and kept beside the data that it protects.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::config::values::{self, AUTH_SECRET_BYTES, AuthSecret};
use crate::config::{SettingError, Settings};

impl Settings {
    /// The secret that was set, or else the one in the data folder, made now if need be.
    ///
    /// # Errors
    /// When the file can be neither read nor made, or holds no secret.
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
        values::auth_secret(text.trim())
            .map_err(|rule| SettingError(format!("AUTH_SECRET in {} {rule}.", file.display())))
    }
}

/// Two processes that start together agree on one secret: it is written in full under another name, and the name is given only if
/// nobody else was first.
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
    let draft = file.with_extension(Uuid::new_v4().to_string());
    let mut written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    written.write_all(format!("{}\n", STANDARD.encode(secret)).as_bytes())?;
    written.sync_all()?;
    let named = fs::hard_link(&draft, file);
    fs::remove_file(&draft)?;
    match named {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => fs::read_to_string(file),
    }
}
