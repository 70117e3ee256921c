//! Signs users in through the gateway's API.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::Value;

use crate::client::{get_request, graphql_me_request, login_request};
use crate::dataset::PASSWORD;
use crate::http_connection::HttpConnection;
use crate::{Failure, Result};

/// Connections for signing in.
const CONNECTIONS: usize = 32;
/// How often a request that gets 503 is repeated.
const MAX_TRIES: usize = 10;
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The tokens of one session.
#[derive(Debug, Clone)]
pub struct User {
    pub access_token: String,
    pub refresh_token: String,
}

/// Body sizes of the gateway's responses, in bytes. The baselines send as many.
#[derive(Debug, Clone, Copy)]
pub struct ResponseSizes {
    pub me: usize,
    pub sign_in: usize,
}

/// Logs in one user per name.
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
            let (access_token, refresh_token) = tokens.ok_or("a login without tokens")?;
            users.push(User {
                access_token,
                refresh_token,
            });
        }
        Ok::<_, Failure>(users)
    })))?;
    Ok(users.concat())
}

/// Requests `me` once for each user.
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

/// Checks the content of `me` of both APIs, because a load only checks the status. Returns the
/// sizes of the responses.
pub fn check(gateway: SocketAddr, name: &str) -> Result<ResponseSizes> {
    let user = sign_in(gateway, std::iter::once(name.to_owned()))?;
    let token = &user.first().ok_or("no user has signed in")?.access_token;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = HttpConnection::connect(gateway).await?;
        let rest = send(&mut connection, &get_request("/auth/me", token)).await?;
        let graphql = send(&mut connection, &graphql_me_request(token)).await?;
        let sign_in = send(&mut connection, &login_request(name, PASSWORD)).await?;
        for found in [rest.pointer("/username"), graphql.pointer("/data/me/username")] {
            if found.and_then(Value::as_str) != Some(name) {
                return Err(format!("the gateway does not return {name}: {rest} {graphql}").into());
            }
        }
        Ok(ResponseSizes {
            me: rest.to_string().len(),
            sign_in: sign_in.to_string().len(),
        })
    })
}

/// Repeats the request on 503, as clients do: the machine may be busy. Nothing is measured here.
async fn send(connection: &mut HttpConnection, request: &[u8]) -> Result<Value> {
    for _ in 0..MAX_TRIES {
        let answer = connection.send(request).await?;
        match answer.status {
            200 => return Ok(serde_json::from_slice(answer.body)?),
            503 => tokio::time::sleep(RETRY_INTERVAL).await,
            status => {
                let body = String::from_utf8_lossy(answer.body);
                return Err(format!("the gateway responds {status}: {body}").into());
            }
        }
    }
    Err("the gateway is not available".into())
}
