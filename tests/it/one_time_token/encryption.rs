//! What a leaked store reveals: no secret, no code and no payload.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::{ConnectionTrait, Statement};

use crate::harness::{Backend, redis_url};
use crate::one_time_token::fixture::{
    Attempt, CHALLENGE, CODE, PAYLOAD, RIGHT_CODE, SECRET, TokenFixture, on_each_store,
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

/// Redis is shared by all tests, so only keys that name a token of the fixture are read: they are
/// found in the list of its subject.
async fn stored_in_redis(fixture: &TokenFixture) -> Vec<Vec<u8>> {
    let mut redis = redis::Client::open(redis_url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
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
