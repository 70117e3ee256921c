//! `changePassword`: the current password for a new one, and the end of all other sessions.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Backend, Door, SignedIn, Socket, State, World, code, eventually, http, raw, scenario};

const EMAIL: &str = "john.doe@example.com";
const OLD: &str = "Password@123";
const NEW: &str = "three small tea pots";

/// The field as this door spells it.
fn field(world: &World, rest: &str, graphql: &str) -> String {
    match world.door {
        Door::Rest => rest.to_owned(),
        Door::Graphql => graphql.to_owned(),
    }
}

fn new_password(world: &World) -> String {
    field(world, "new_password", "newPassword")
}

async fn is_revoked(world: &World, session: &SignedIn) -> bool {
    let me = world.me(&session.access_token).await;
    me.is_err_and(|refusal| refusal.reason.as_deref() == Some("revoked"))
}

scenario! {
    async fn the_new_password_signs_in_and_the_old_one_no_more(world: &World) {
        let john = world.john().await;
        world.client().change_password(&john.access_token, OLD, NEW).await.unwrap();
        assert_eq!(code(world.login(EMAIL, OLD).await), "INVALID_CREDENTIALS");
        assert_eq!(world.login(EMAIL, NEW).await.unwrap().user, john.user);
        assert_eq!(code(world.client().change_password(&john.access_token, OLD, "another tea pot").await), "INVALID_CREDENTIALS");
        world.client().change_password(&john.access_token, NEW, OLD).await.unwrap();
        assert_eq!(code(world.login(EMAIL, OLD).await), "ok");
    }
}

scenario! {
    async fn the_session_that_asks_lives_on_and_all_others_end(world: &World) {
        let (first, second, third) = (world.john().await, world.login(EMAIL, OLD).await.unwrap(), world.login(EMAIL, OLD).await.unwrap());
        let jane = world.client().register_with("jane.doe@example.com", OLD, "janedoe").await.unwrap();
        for session in [&first, &second, &third] {
            assert!(world.me(&session.access_token).await.is_ok());
        }
        let second = world.refresh(&second.refresh_token).await.unwrap();
        world.client().change_password(&second.access_token, OLD, NEW).await.unwrap();
        for session in [&first, &third] {
            assert!(is_revoked(world, session).await);
            assert_eq!(code(world.refresh(&session.refresh_token).await), "REFRESH_TOKEN_INVALID");
        }
        assert_eq!(world.client().sessions(&second.access_token).await.unwrap().len(), 1);
        assert_eq!(world.refresh(&second.refresh_token).await.unwrap().user, first.user);
        assert!(world.me(&jane.access_token).await.is_ok(), "nobody else's");
    }
}

scenario! {
    async fn a_wrong_current_password_changes_nothing(world: &World) {
        let (john, elsewhere) = (world.john().await, world.login(EMAIL, OLD).await.unwrap());
        for wrong in ["password@123", "Password@12", " Password@123", NEW] {
            let refusal = world.client().change_password(&john.access_token, wrong, "another tea pot").await.unwrap_err();
            assert_eq!(refusal.code, "INVALID_CREDENTIALS", "{wrong}");
        }
        assert!(!is_revoked(world, &john).await && !is_revoked(world, &elsewhere).await);
        assert_eq!(code(world.login(EMAIL, OLD).await), "ok");
    }
}

scenario! {
    async fn a_new_password_is_judged_as_at_registration(world: &World) {
        let john = world.john().await;
        for (new, rule) in [
            ("", "must not be empty"),
            ("7 chars", "at least 8 characters"),
            (&"x".repeat(257), "at most 256 characters"),
            ("tab\tseparated", "control characters"),
            ("        ", "blank"),
            ("QwertyUiop", "most common"),
            ("JohnDoe!1987", "e-mail"),
            ("john.doe@example.com", "e-mail"),
            ("auth-gateway", "name of this service"),
            ("Localhost8000", "name of this service"),
            (OLD, "another than the current one"),
        ] {
            let refusal = world.client().change_password(&john.access_token, OLD, new).await.unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.fields), ("VALIDATION_FAILED", vec![new_password(world)]), "{new}");
            assert!(refusal.message.contains(rule), "{new}: {}", refusal.message);
        }
        let refusal = world.client().change_password(&john.access_token, "", "short").await.unwrap_err();
        assert_eq!(refusal.fields, [field(world, "current_password", "currentPassword"), new_password(world)]);
        assert_eq!(code(world.login(EMAIL, OLD).await), "ok");
    }
}

scenario! {
    async fn both_spellings_of_one_password_are_the_current_one(world: &World) {
        let eva = world.client().register_with("eva@example.com", "caf\u{e9} au lait", "evamaria").await.unwrap();
        let client = world.client();
        let refusal = client.change_password(&eva.access_token, "caf\u{e9} au lait", "cafe\u{301} au lait").await.unwrap_err();
        assert_eq!(refusal.fields, [new_password(world)]);
        client.change_password(&eva.access_token, "cafe\u{301} au lait", NEW).await.unwrap();
        assert_eq!(code(world.login("eva@example.com", NEW).await), "ok");
    }
}

scenario! {
    async fn without_a_good_access_token_nobody_changes_anything(world: &World) {
        let (john, over) = (world.john().await, world.login(EMAIL, OLD).await.unwrap());
        world.client().logout(Some(&over.access_token), None, None).await.unwrap();
        for (token, reason) in [("nonsense", "invalid"), (&john.refresh_token, "invalid"), (&over.access_token, "revoked")] {
            let refusal = world.client().change_password(token, OLD, NEW).await.unwrap_err();
            assert_eq!((refusal.code.as_str(), refusal.reason.as_deref()), ("UNAUTHENTICATED", Some(reason)));
        }
        world.clock.advance(Duration::from_mins(15));
        let refusal = world.client().change_password(&john.access_token, OLD, NEW).await.unwrap_err();
        assert_eq!(refusal.reason.as_deref(), Some("expired"));
        assert_eq!(code(world.login(EMAIL, OLD).await), "ok");
    }
}

scenario! {
    async fn of_many_changes_at_once_one_wins_and_the_others_are_told(world: &World) {
        world.john().await;
        let sessions = join_all((0..6).map(|_| world.login(EMAIL, OLD))).await;
        let changes = sessions.iter().enumerate().map(|(number, session)| async move {
            let token = &session.as_ref().unwrap().access_token;
            code(world.client().change_password(token, OLD, &format!("tea pot number {number}")).await)
        });
        let codes = join_all(changes).await;
        let won: Vec<usize> = (0..6).filter(|number| codes[*number] == "ok").collect();
        assert_eq!(won.len(), 1, "{codes:?}");
        let told = ["INVALID_CREDENTIALS", "UNAUTHENTICATED"];
        assert_eq!(codes.iter().filter(|code| told.contains(&code.as_str())).count(), 5, "{codes:?}");
        let mut alive = Vec::new();
        for (number, session) in sessions.iter().enumerate() {
            if !is_revoked(world, session.as_ref().unwrap()).await {
                alive.push(number);
            }
        }
        assert_eq!(alive, won);
        assert_eq!(code(world.login(EMAIL, &format!("tea pot number {}", won[0])).await), "ok");
    }
}

scenario! {
    async fn no_login_with_the_old_password_slips_in_behind_the_change(world: &World) {
        let john = world.john().await;
        let logins = join_all((0..12).map(|_| world.login(EMAIL, OLD)));
        let client = world.client();
        let change = client.change_password(&john.access_token, OLD, NEW);
        let (logins, changed) = tokio::join!(logins, change);
        changed.unwrap();
        for login in logins {
            match login {
                Ok(session) => assert!(is_revoked(world, &session).await),
                Err(refusal) => assert_eq!(refusal.code, "INVALID_CREDENTIALS"),
            }
        }
        assert_eq!(world.client().sessions(&john.access_token).await.unwrap().len(), 1);
    }
}

/// Who has stolen an access token guesses no more often than at the login, and with the same allowance.
#[tokio::test]
async fn guesses_are_charged_like_logins_before_a_password_is_looked_at() {
    for backend in [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis] {
        for door in [Door::Rest, Door::Graphql] {
            let world = World::limited(backend, door, &[]).await;
            let john = world.john().await;
            for _ in 0..5 {
                let guess = world.client().change_password(&john.access_token, "a guess", NEW).await;
                assert_eq!(code(guess), "INVALID_CREDENTIALS");
                assert_eq!(code(world.login(EMAIL, "a guess").await), "INVALID_CREDENTIALS");
            }
            let right = world.client().change_password(&john.access_token, OLD, NEW).await;
            assert_eq!(code(right), "RATE_LIMITED", "{backend:?} {door:?}");
            world.clock.advance(Duration::from_secs(15));
            world
                .client()
                .change_password(&john.access_token, OLD, NEW)
                .await
                .unwrap();
        }
    }
}

/// Forty guesses use the allowance of failures up; a change that succeeds gives it back.
#[tokio::test]
async fn a_change_that_succeeds_wipes_failures_out() {
    let world = World::limited(Backend::Sqlite, Door::Rest, &["--access-token-ttl=1d"]).await;
    let john = world.john().await;
    let guess = async |times: u32| {
        for _ in 0..times {
            world.clock.advance(Duration::from_secs(15));
            let guess = world
                .client()
                .change_password(&john.access_token, "a guess", "another guess")
                .await;
            assert_eq!(code(guess), "INVALID_CREDENTIALS");
        }
    };
    guess(39).await;
    world
        .client()
        .change_password(&john.access_token, OLD, NEW)
        .await
        .unwrap();
    guess(40).await;
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(
        code(world.client().change_password(&john.access_token, NEW, OLD).await),
        "RATE_LIMITED"
    );
}

#[tokio::test]
async fn strangers_cannot_keep_the_owner_from_changing_it() {
    let world = World::limited(Backend::PostgresRedis, Door::Rest, &["--trusted-proxies=127.0.0.0/8"]).await;
    let post = async |path: &str, address: &str, token: Option<&str>, body: Value| {
        let mut request = http()
            .post(world.url(path))
            .header("x-forwarded-for", address)
            .json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        raw(request).await
    };
    let john = json!({"email": EMAIL, "password": OLD, "username": "johndoe"});
    let (_, _, john) = post("/auth/register", "203.0.113.1", None, john).await;
    let token = john["token"]["access_token"].as_str();
    for number in 0..12 {
        let login = json!({"email": EMAIL, "password": "a guess"});
        post("/auth/login", &format!("198.51.100.{number}"), None, login).await;
    }
    let change = json!({"current_password": OLD, "new_password": NEW});
    let (elsewhere, _, _) = post("/auth/password", "198.51.100.99", token, change.clone()).await;
    assert_eq!(
        elsewhere,
        StatusCode::TOO_MANY_REQUESTS,
        "a thief of the token is a stranger"
    );
    assert_eq!(
        post("/auth/password", "203.0.113.1", token, change).await.0,
        StatusCode::NO_CONTENT
    );
}

scenario! {
    async fn it_is_kept_who_changed_a_password_and_who_tried_to(world: &World) {
        let john = world.john().await;
        world.client().change_password(&john.access_token, "a guess at it", NEW).await.unwrap_err();
        world.client().change_password(&john.access_token, OLD, NEW).await.unwrap();
        let written = async || (world.stores.count("audit_events").await == 4).then_some(());
        eventually("the events are written", written).await;
        let rows = world.stores.audit().await;
        let sessions = world.client().sessions(&john.access_token).await.unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row["event"].as_str()).collect();
        assert_eq!(names, ["signing_key_published", "registered", "password_change_failed", "password_changed"]);
        for row in &rows[2..] {
            assert_eq!((row["account_id"].as_str(), Some(row["session_id"].as_str())), (john.user.uuid.as_str(), sessions[0]["id"].as_str()));
            assert_eq!(row["address"], "127.0.0.1");
        }
        let all = format!("{rows:?}");
        assert!(!["a guess at it", OLD, NEW].iter().any(|secret| all.contains(secret)), "{all}");
    }
}

/// Another node ends, tells and refuses as the one that was asked.
#[tokio::test]
async fn a_change_at_one_node_counts_at_the_other_and_front_ends_learn_why() {
    for backend in [Backend::Sqlite, Backend::Postgres, Backend::PostgresRedis] {
        let world = World::new(backend, Door::Rest).await;
        let other = world.second_node(&[]).await;
        let (john, elsewhere) = (world.john().await, world.login(EMAIL, OLD).await.unwrap());
        assert!(other.me(&elsewhere.access_token).await.is_ok());
        let mut socket = Socket::bearing(&format!("http://{}", other.address), &elsewhere.access_token).await;
        socket.subscribe("1", "subscription { sessionEnded { reason } }").await;
        world
            .client()
            .change_password(&john.access_token, OLD, NEW)
            .await
            .unwrap();
        let refusal = other.me(&elsewhere.access_token).await.unwrap_err();
        assert_eq!(refusal.reason.as_deref(), Some("revoked"), "{backend:?}");
        let told = socket.message().await;
        assert_eq!(
            told["payload"]["data"]["sessionEnded"]["reason"], "PASSWORD_CHANGED",
            "{told}"
        );
        assert!(other.me(&john.access_token).await.is_ok());
    }
}

#[tokio::test]
async fn without_a_store_nothing_is_half_done() {
    let (world, database, redis) = World::wired().await;
    let (john, elsewhere) = (world.john().await, world.login(EMAIL, OLD).await.unwrap());
    for wire in [&redis, &database] {
        for state in [State::Cut, State::Hung] {
            wire.set(state);
            let change = world.client().change_password(&john.access_token, OLD, NEW).await;
            assert_eq!(code(change), "UNAVAILABLE", "{state:?}");
            wire.set(State::Whole);
            world.until_ready().await;
            assert!(world.me(&elsewhere.access_token).await.is_ok(), "{state:?}");
        }
    }
    world
        .client()
        .change_password(&john.access_token, OLD, NEW)
        .await
        .unwrap();
    assert!(is_revoked(&world, &elsewhere).await);
}

#[tokio::test]
async fn a_body_of_another_shape_is_refused_and_names_the_field() {
    let world = World::new(Backend::Sqlite, Door::Rest).await;
    let john = world.john().await;
    for (body, field) in [
        (json!({"current_password": OLD}), "new_password"),
        (json!({"new_password": NEW}), "current_password"),
        (json!({"current_password": OLD, "new_password": 7}), "new_password"),
        (
            json!({"current_password": OLD, "new_password": NEW, "username": "johndoe"}),
            "username",
        ),
    ] {
        let request = http().post(world.url("/auth/password")).bearer_auth(&john.access_token);
        let (status, _, problem) = raw(request.json(&body)).await;
        assert_eq!(
            (status.as_u16(), &problem["code"]),
            (400, &json!("BAD_REQUEST")),
            "{body}"
        );
        assert_eq!(problem["fields"][0]["field"], field, "{problem}");
    }
    assert!(world.login(EMAIL, OLD).await.is_ok());
}
