//! Fuzzes the parsing of REST bodies, and of the domain values in them.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::api::rest::body::parse;
use crate::api::rest::sign_in::{LoginBody, LogoutBody, RefreshBody, RegisterBody};
use crate::domain::Result;
use crate::domain::context_words::{AccountNames, ContextWords};
use crate::domain::email::Email;
use crate::domain::password::{NewPassword, PasswordRules, PresentedPassword};
use crate::domain::username::Username;

/// The longest error message, in characters. A message quotes nothing but the name of a field.
const LONGEST_MESSAGE: usize = 400;

pub(crate) fn body(data: &[u8]) {
    read::<RegisterBody>(data, &["email", "password", "username", "mode"]);
    read::<LoginBody>(data, &["email", "username", "password", "mode"]);
    read::<RefreshBody>(data, &["refresh_token", "mode"]);
    let members = read::<LogoutBody>(data, &["refresh_token", "scope"]);
    let text = String::from_utf8_lossy(data);
    let texts = members
        .iter()
        .flat_map(Map::values)
        .filter_map(Value::as_str)
        .chain([&*text]);
    texts.for_each(values);
}

/// Parses a body as `T`, and returns its members if it is a JSON object.
fn read<T: serde::de::DeserializeOwned>(data: &[u8], known: &[&str]) -> Option<Map<String, Value>> {
    let members = serde_json::from_slice::<Value>(data)
        .ok()
        .and_then(|value| value.as_object().cloned());
    let read: Result<T> = parse(data);
    match read {
        Ok(_) => {
            let members = members
                .as_ref()
                .map(|members| members.keys().all(|name| known.contains(&name.as_str())));
            assert_eq!(
                members,
                Some(true),
                "a body was accepted that is not an object of these members: {known:?}"
            );
        }
        Err(error) => {
            assert_eq!(error.code(), "BAD_REQUEST");
            let longest = error.to_string().chars().count();
            assert!(longest <= LONGEST_MESSAGE, "a message of {longest} characters");
        }
    }
    members
}

/// The rules of an installation with default settings.
static RULES: LazyLock<PasswordRules> = LazyLock::new(|| PasswordRules {
    min_length: 8,
    context_words: ContextWords::of("http://localhost:8000", &[]),
});

/// A value that is accepted has the same meaning when it is parsed again.
fn values(text: &str) {
    if let Ok(email) = Email::parse(text) {
        assert_eq!(
            Email::parse(email.as_str()),
            Ok(email.clone()),
            "an e-mail that was accepted"
        );
        // Not every key is a valid e-mail, but one that is has itself as its key.
        if let Ok(again) = Email::parse(email.key()) {
            assert_eq!(again.key(), email.key(), "the key of {}", email.as_str());
        }
    }
    if let Ok(username) = Username::parse(text) {
        assert_eq!(
            Username::parse(&username.key()).map(|name| name.key()),
            Ok(username.key())
        );
    }
    let owner = AccountNames {
        email: "john.doe@example.com",
        username: "johndoe",
    };
    if let Ok(password) = NewPassword::parse(text, &RULES, owner) {
        let password = password.into_presented();
        let again = std::str::from_utf8(password.expose()).map(PresentedPassword::parse);
        assert!(
            again.is_ok_and(|again| again.is_ok_and(|again| again.expose() == password.expose())),
            "a password"
        );
    }
}
