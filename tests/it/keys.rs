//! What services outside need to verify our tokens, and what they would see in them.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::harness::{Backend, Door, Stores, World, http, raw, run_to_end, scenario};

scenario! {
    async fn a_service_that_discovers_the_keys_verifies_the_token(world: &World) {
        let john = world.john().await;
        let (status, headers, discovery) = raw(http().get(world.url("/.well-known/openid-configuration"))).await;
        assert_eq!(status, 200);
        assert!(headers["cache-control"].to_str().unwrap().contains("max-age"));
        assert_eq!(discovery["issuer"], "http://localhost:8000");
        assert_eq!(discovery["jwks_uri"], "http://localhost:8000/.well-known/jwks.json");
        assert_eq!(discovery["id_token_signing_alg_values_supported"], json!(["EdDSA"]));

        let (_, _, jwks) = raw(http().get(world.url("/.well-known/jwks.json"))).await;
        assert!(jwks["keys"][0].get("d").is_none(), "the private half is published");
        let jwks: JwkSet = serde_json::from_value(jwks).unwrap();
        let header = decode_header(&john.access_token).unwrap();
        assert_eq!((header.alg, header.typ.as_deref()), (Algorithm::EdDSA, Some("at+jwt")));
        let key = DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&["http://localhost:8000"]);
        rules.set_audience(&["auth-gateway"]);
        let claims = decode::<Value>(&john.access_token, &key, &rules).unwrap().claims;
        assert_eq!(claims["sub"], json!(john.user.uuid));
        assert_eq!(claims["roles"], json!(["user"]));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
        for id in ["sid", "jti"] {
            assert!(uuid::Uuid::parse_str(claims[id].as_str().unwrap()).is_ok());
        }
        assert!(!claims.to_string().contains("example.com"), "personal data in a token: {claims}");
    }
}

#[tokio::test]
async fn another_auth_secret_cannot_open_the_stored_keys_and_says_so() {
    let stores = Stores::new(Backend::Sqlite).await;
    let first = [("AUTH_SECRET", "VGhpcyBzZWNyZXQgaXMgZm9yIHRlc3RzIGFsb25lLiEh")];
    let second = [("AUTH_SECRET", "QW5vdGhlciBzZWNyZXQsIGZvciB0ZXN0cyBhbG9uZS4h")];
    let gateway = crate::harness::Process::start(stores.folder.path(), &["--auth-secret", first[0].1]);
    drop(gateway);
    let output = run_to_end(stores.folder.path(), &["serve", "--port", "0"], &second);
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{sentence}");
    assert!(
        sentence.contains("cannot be opened with this AUTH_SECRET"),
        "{sentence}"
    );
    let listed = run_to_end(stores.folder.path(), &["keys", "list"], &[]);
    assert!(String::from_utf8(listed.stdout).unwrap().starts_with("EdDSA  "));
}

#[tokio::test]
async fn readiness_names_each_dependency() {
    for (backend, redis) in [(Backend::Sqlite, "not used"), (Backend::PostgresRedis, "up")] {
        let world = World::new(backend, Door::Rest).await;
        let (status, _, readiness) = raw(http().get(world.url("/readyz"))).await;
        assert_eq!(status, 200);
        assert_eq!(readiness, json!({"status": "ready", "database": "up", "redis": redis}));
        assert_eq!(raw(http().get(world.url("/livez"))).await.0, 200);
    }
}
