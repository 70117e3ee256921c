//! People who have signed in: their tokens, each got through the front door.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::Value;

use crate::client::{get_request, graphql_me_request, login_request};
use crate::dataset::PASSWORD;
use crate::http_connection::HttpConnection;
use crate::{Failure, Result};

/// Connections that users sign in over.
const CONNECTIONS: usize = 32;
/// How often somebody asks who is told to come back.
const MAX_TRIES: usize = 10;
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The tokens of one session.
#[derive(Debug, Clone)]
pub struct User {
    pub access_token: String,
    pub refresh_token: String,
}

/// Bytes of the gateway's answers, which the baselines answer with too.
#[derive(Debug, Clone, Copy)]
pub struct ResponseSizes {
    pub me: usize,
    pub sign_in: usize,
}

/// Signs everybody in.
pub fn sign_in(gateway: SocketAddr, names: impl Iterator<Item = String>) -> Result<Vec<User>> {
    let names: Vec<String> = names.collect();
    let share = names.len().div_ceil(CONNECTIONS).max(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let users = runtime.block_on(try_join_all(names.chunks(share).map(async |names| {
        let mut connection = HttpConnection::connect(gateway).await?;
        let mut users = Vec::with_capacity(names.len());
        for name in names {
            let answer = send(&mut connection, &login_request(name, PASSWORD)).await?;
            let token = |name: &str| answer.pointer(name).and_then(Value::as_str).map(str::to_owned);
            let tokens = token("/token/access_token").zip(token("/token/refresh_token"));
            let (access_token, refresh_token) = tokens.ok_or("a login that gave no tokens")?;
            users.push(User {
                access_token,
                refresh_token,
            });
        }
        Ok::<_, Failure>(users)
    })))?;
    Ok(users.concat())
}

/// Everybody asks once who they are.
pub fn request_me_once(gateway: SocketAddr, users: &[User]) -> Result<()> {
    let share = users.len().div_ceil(CONNECTIONS).max(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(try_join_all(users.chunks(share).map(async |users| {
        let mut connection = HttpConnection::connect(gateway).await?;
        for user in users {
            send(&mut connection, &get_request("/auth/me", &user.access_token)).await?;
        }
        Ok::<_, Failure>(())
    })))?;
    Ok(())
}

/// Asks both doors who somebody is, since a load only counts answers; and how large they are.
pub fn check(gateway: SocketAddr, name: &str) -> Result<ResponseSizes> {
    let user = sign_in(gateway, std::iter::once(name.to_owned()))?;
    let token = &user.first().ok_or("nobody has signed in")?.access_token;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = HttpConnection::connect(gateway).await?;
        let rest = send(&mut connection, &get_request("/auth/me", token)).await?;
        let graphql = send(&mut connection, &graphql_me_request(token)).await?;
        let sign_in = send(&mut connection, &login_request(name, PASSWORD)).await?;
        for found in [rest.pointer("/username"), graphql.pointer("/data/me/username")] {
            if found.and_then(Value::as_str) != Some(name) {
                return Err(format!("the gateway does not know {name}: {rest} {graphql}").into());
            }
        }
        Ok(ResponseSizes {
            me: rest.to_string().len(),
            sign_in: sign_in.to_string().len(),
        })
    })
}

/// Nothing is measured here: who is told to come back does, as clients do, in case the machine is busy with something else.
async fn send(connection: &mut HttpConnection, request: &[u8]) -> Result<Value> {
    for _ in 0..MAX_TRIES {
        let answer = connection.send(request).await?;
        match answer.status {
            200 => return Ok(serde_json::from_slice(answer.body)?),
            503 => tokio::time::sleep(RETRY_INTERVAL).await,
            status => {
                let body = String::from_utf8_lossy(answer.body);
                return Err(format!("the gateway answers {status}: {body}").into());
            }
        }
    }
    Err("the gateway is not available".into())
}
