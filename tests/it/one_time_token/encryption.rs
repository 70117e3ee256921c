//! What a leaked store reveals: no secret, no code and no payload. And what an attacker who can
//! write to a store cannot change.

use std::fmt::Write;

use auth_gateway::domain::account::AccountId;
use auth_gateway::domain::one_time_token::{CodeAttempt, NewOneTimeToken, TokenForm, TokenPurpose, TokenSubject};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::aio::MultiplexedConnection;
use sea_orm::{ConnectionTrait, Statement};
use uuid::fmt::Simple;

use crate::harness::{Backend, redis_url};
use crate::one_time_token::fixture::{
    Attempt, CHALLENGE, CODE, LIFETIME, PAYLOAD, RIGHT_CODE, SECRET, TokenFixture, on_each_store,
};

/// Everything that the store holds of the tokens with these purposes.
async fn stored(fixture: &TokenFixture) -> Vec<Vec<u8>> {
    if fixture.stores.redis_url.is_some() {
        return stored_in_redis(fixture).await;
    }
    let connection = fixture.stores.connect().await;
    let query = Statement::from_string(connection.get_database_backend(), "SELECT * FROM one_time_tokens");
    let rows = connection.query_all_raw(query).await.unwrap();
    let columns =
        ["digest", "sealed_payload"].map(|column| rows.iter().map(move |row| row.try_get("", column).unwrap()));
    let texts = rows.iter().map(|row| {
        row.try_get::<Option<String>>("", "subject")
            .unwrap()
            .unwrap()
            .into_bytes()
    });
    columns.into_iter().flatten().chain(texts).collect()
}

async fn redis_connection() -> MultiplexedConnection {
    let client = redis::Client::open(redis_url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Redis is shared by all tests, so only keys that name a token of the fixture are read: they are
/// found in the list of its subject.
async fn stored_in_redis(fixture: &TokenFixture) -> Vec<Vec<u8>> {
    let mut redis = redis_connection().await;
    let list = format!("auth-gateway:one-time-token:subject:{}", fixture.subject.as_str());
    let list: String = redis::cmd("GET").arg(list).query_async(&mut redis).await.unwrap();
    let mut stored = vec![list.clone().into_bytes()];
    for name in list.split(' ').skip(1).step_by(2) {
        let key = format!("auth-gateway:one-time-token:{name}");
        let text: String = redis::cmd("GET").arg(&key).query_async(&mut redis).await.unwrap();
        let decoded = text.split(' ').filter_map(|part| URL_SAFE_NO_PAD.decode(part).ok());
        stored.extend(decoded.chain([key.into_bytes(), text.clone().into_bytes()]));
    }
    stored
}

on_each_store! {
    async fn no_secret_code_or_payload_is_readable(fixture: &TokenFixture) {
        let secret = fixture.secrets.generate().unwrap();
        let mut token = fixture.token(SECRET);
        token.digest = fixture.secrets.digest(secret.0.expose());
        fixture.tokens.create(&token).await.unwrap();
        fixture.create(CODE).await;
        let stored = stored(fixture).await;
        assert!(stored.len() >= 6, "{stored:?}");
        let plain_code = fixture.secrets.digest(RIGHT_CODE).0;
        for forbidden in [secret.0.expose().as_bytes(), RIGHT_CODE.as_bytes(), PAYLOAD, &plain_code] {
            let is_in = |value: &Vec<u8>| value.windows(forbidden.len()).any(|window| window == forbidden);
            assert!(!stored.iter().any(is_in), "{forbidden:?}");
        }
        let is_kept = |value: &Vec<u8>| value == &token.digest.0;
        assert!(stored.iter().any(is_kept), "the search sees what is stored");
    }
}

/// Who can write to the database must not turn one payload into another.
async fn a_payload_that_was_moved_to_another_row_does_not_open(backend: Backend) {
    let fixture = TokenFixture::new(backend).await;
    let (one, other) = (fixture.create(SECRET).await, fixture.create(SECRET).await);
    let challenge = fixture.create(CHALLENGE).await;
    fixture.stores.execute(&format!(
        "UPDATE one_time_tokens SET sealed_payload = (SELECT sealed_payload FROM one_time_tokens WHERE purpose = '{}')",
        CHALLENGE.name()
    ))
    .await;
    for moved in [one, other] {
        assert!(!fixture.consume(moved.digest, SECRET).await);
    }
    assert!(fixture.consume(challenge.digest, CHALLENGE).await);
}

#[tokio::test]
async fn a_moved_payload_does_not_open_on_sqlite() {
    a_payload_that_was_moved_to_another_row_does_not_open(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_moved_payload_does_not_open_on_postgres() {
    a_payload_that_was_moved_to_another_row_does_not_open(Backend::Postgres).await;
}

/// The attacker knows the secret or the code of the token `known`, and moves the victim's payload
/// to its digest.
async fn a_payload_under_another_digest_does_not_open(backend: Backend) {
    let fixture = TokenFixture::new(backend).await;
    for purpose in [SECRET, CHALLENGE, CODE] {
        let (victims, known) = (fixture.token(purpose), another_subjects(&fixture, purpose));
        fixture.tokens.create(&victims).await.unwrap();
        let (id, digest) = (victims.id.0.simple(), blob(backend, &known.digest.0));
        fixture
            .stores
            .execute(&format!(
                "UPDATE one_time_tokens SET digest = {digest} WHERE {}",
                is_id(backend, id)
            ))
            .await;
        if purpose == CODE {
            let digests = [known.digest];
            let attempt = fixture.tokens.try_code(victims.id, CODE, &digests, fixture.now()).await;
            assert!(matches!(attempt.unwrap(), CodeAttempt::Gone), "{purpose:?}");
        } else {
            assert_is_not_opened(&fixture, &known).await;
        }
    }
}

/// The attacker changes one column of the token whose secret the attacker knows.
async fn a_token_with_a_changed_column_does_not_open(backend: Backend) {
    let fixture = TokenFixture::new(backend).await;
    let other = TokenSubject::account(AccountId::random());
    let changes = [
        format!("subject = '{}'", other.as_str()),
        "subject = NULL".to_owned(),
        "expires_at = expires_at + 1".to_owned(),
        "max_tries = max_tries + 1".to_owned(),
    ];
    for change in changes {
        let token = fixture.create(CHALLENGE).await;
        let id = is_id(backend, token.id.0.simple());
        fixture
            .stores
            .execute(&format!("UPDATE one_time_tokens SET {change} WHERE {id}"))
            .await;
        assert_is_not_opened(&fixture, &token).await;
    }
}

/// No way to present a token's secret yields its payload.
async fn assert_is_not_opened(fixture: &TokenFixture, presented: &NewOneTimeToken) {
    let (digest, purpose, now) = (presented.digest, presented.purpose, fixture.now());
    assert!(fixture.tokens.peek(digest, purpose, now).await.unwrap().is_none());
    assert!(fixture.tokens.count_try(digest, purpose, now).await.unwrap().is_none());
    assert!(fixture.tokens.consume(digest, purpose, now).await.unwrap().is_none());
}

/// A token of another subject than the fixture's.
fn another_subjects(fixture: &TokenFixture, purpose: TokenPurpose) -> NewOneTimeToken {
    NewOneTimeToken {
        subject: Some(TokenSubject::account(AccountId::random())),
        ..fixture.token(purpose)
    }
}

fn blob(backend: Backend, bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        write!(hex, "{byte:02x}").unwrap();
    }
    match backend {
        Backend::Sqlite => format!("x'{hex}'"),
        Backend::Postgres | Backend::PostgresRedis => format!("'\\x{hex}'"),
    }
}

/// The condition that selects the row with this id.
fn is_id(backend: Backend, id: Simple) -> String {
    match backend {
        Backend::Sqlite => format!("id = x'{id}'"),
        Backend::Postgres | Backend::PostgresRedis => format!("id = '{id}'"),
    }
}

#[tokio::test]
async fn a_payload_under_another_digest_does_not_open_on_sqlite() {
    a_payload_under_another_digest_does_not_open(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_payload_under_another_digest_does_not_open_on_postgres() {
    a_payload_under_another_digest_does_not_open(Backend::Postgres).await;
}

#[tokio::test]
async fn a_token_with_a_changed_column_does_not_open_on_sqlite() {
    a_token_with_a_changed_column_does_not_open(Backend::Sqlite).await;
}

#[tokio::test]
async fn a_token_with_a_changed_column_does_not_open_on_postgres() {
    a_token_with_a_changed_column_does_not_open(Backend::Postgres).await;
}

/// The parts of the text of a token in Redis.
const MAX_TRIES: usize = 1;
const EXPIRES: usize = 2;
const DIGEST: usize = 3;
const ID: usize = 4;
const SUBJECT: usize = 5;

/// The key of a token in Redis.
fn redis_key(token: &NewOneTimeToken) -> String {
    let name = match token.purpose.rules().form {
        TokenForm::Secret => URL_SAFE_NO_PAD.encode(token.digest.0),
        TokenForm::Code => token.id.0.simple().to_string(),
    };
    format!("auth-gateway:one-time-token:{}:{name}", token.purpose.name())
}

async fn redis_text(redis: &mut MultiplexedConnection, token: &NewOneTimeToken) -> String {
    redis::cmd("GET")
        .arg(redis_key(token))
        .query_async(redis)
        .await
        .unwrap()
}

async fn set_redis_text(redis: &mut MultiplexedConnection, token: &NewOneTimeToken, text: &str) {
    let mut set = redis::cmd("SET");
    set.arg(redis_key(token)).arg(text).arg("KEEPTTL");
    let () = set.query_async(redis).await.unwrap();
}

/// The text with some parts replaced.
fn with_parts(text: &str, changes: &[(usize, String)]) -> String {
    let mut parts: Vec<&str> = text.split(' ').collect();
    for (part, value) in changes {
        assert_ne!(parts[*part], value);
        parts[*part] = value;
    }
    parts.join(" ")
}

#[tokio::test]
async fn a_text_that_was_copied_to_another_key_of_redis_does_not_open() {
    let fixture = TokenFixture::new(Backend::PostgresRedis).await;
    let mut redis = redis_connection().await;
    for purpose in [SECRET, CHALLENGE] {
        for with_digest in [false, true] {
            let (victims, known) = (fixture.create(purpose).await, another_subjects(&fixture, purpose));
            fixture.tokens.create(&known).await.unwrap();
            let mut text = redis_text(&mut redis, &victims).await;
            if with_digest {
                text = with_parts(&text, &[(DIGEST, URL_SAFE_NO_PAD.encode(known.digest.0))]);
            }
            set_redis_text(&mut redis, &known, &text).await;
            assert_is_not_opened(&fixture, &known).await;
            assert!(fixture.consume(victims.digest, purpose).await);
        }
    }
}

#[tokio::test]
async fn a_code_with_another_digest_in_redis_does_not_open() {
    let fixture = TokenFixture::new(Backend::PostgresRedis).await;
    let mut redis = redis_connection().await;
    let (victims, known) = (fixture.create(CODE).await, another_subjects(&fixture, CODE));
    fixture.tokens.create(&known).await.unwrap();
    let text = redis_text(&mut redis, &victims).await;
    let changed = with_parts(&text, &[(DIGEST, URL_SAFE_NO_PAD.encode(known.digest.0))]);
    set_redis_text(&mut redis, &known, &changed).await;
    assert_eq!(fixture.try_code(known.id, RIGHT_CODE).await, Attempt::Gone);
    assert_eq!(fixture.try_code(victims.id, RIGHT_CODE).await, Attempt::Right);
}

#[tokio::test]
async fn a_changed_text_in_redis_does_not_open() {
    let fixture = TokenFixture::new(Backend::PostgresRedis).await;
    let mut redis = redis_connection().await;
    let other = another_subjects(&fixture, CHALLENGE);
    let subject = URL_SAFE_NO_PAD.encode(other.subject.as_ref().unwrap().as_str());
    let later = fixture.now().plus(LIFETIME * 2).millis().to_string();
    let changes = [
        (SUBJECT, subject),
        (SUBJECT, "-".to_owned()),
        (EXPIRES, later),
        (MAX_TRIES, "6".to_owned()),
        (ID, other.id.0.simple().to_string()),
    ];
    for change in changes {
        let token = fixture.create(CHALLENGE).await;
        let text = redis_text(&mut redis, &token).await;
        set_redis_text(&mut redis, &token, &with_parts(&text, &[change])).await;
        assert_is_not_opened(&fixture, &token).await;
    }
}

#[tokio::test]
async fn with_redis_short_lived_tokens_are_there_and_others_in_postgres() {
    let fixture = TokenFixture::by_lifetime().await;
    let (link, code) = (fixture.create(SECRET).await, fixture.create(CODE).await);
    assert_eq!(fixture.stores.count("one_time_tokens").await, 1);
    assert_eq!(
        fixture
            .tokens
            .find_code(&fixture.subject, CODE, fixture.now())
            .await
            .unwrap(),
        Some(code.id)
    );
    fixture
        .tokens
        .revoke_all(&fixture.subject, &[SECRET, CODE], fixture.now())
        .await
        .unwrap();
    assert!(!fixture.consume(link.digest, SECRET).await);
    assert_eq!(fixture.try_code(code.id, RIGHT_CODE).await, Attempt::Gone);
}
