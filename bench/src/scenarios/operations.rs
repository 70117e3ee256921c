//! The measured operations, and the clients that send them.

use crate::client::{Clients, get_request, graphql_me_request, login_request, refreshing_clients, repeating_clients};
use crate::dataset::{PASSWORD, default_hash_usernames};
use crate::users::User;

/// Makes clients for these users over this many connections.
pub(super) type MakeClients = fn(&[User], usize) -> Clients;

/// The operations that the scenarios `growth`, `nodes` and `profile` measure.
pub(super) const OPERATIONS: [(&str, MakeClients); 4] = [
    ("`me`, REST", rest_me),
    ("`me`, GraphQL", graphql_me),
    ("refresh, REST", refresh),
    (LOGIN, login_as_many),
];

/// The operation that is limited by hashing.
pub(super) const LOGIN: &str = "login, REST";

pub(super) fn rest_me(users: &[User], connections: usize) -> Clients {
    let requests = users.iter().map(|user| get_request("/auth/me", &user.access_token));
    repeating_clients(requests.collect(), connections)
}

pub(super) fn graphql_me(users: &[User], connections: usize) -> Clients {
    let requests = users.iter().map(|user| graphql_me_request(&user.access_token));
    repeating_clients(requests.collect(), connections)
}

pub(super) fn refresh(users: &[User], connections: usize) -> Clients {
    refreshing_clients(users.iter().map(|user| user.refresh_token.as_str()), connections)
}

fn login_as_many(users: &[User], connections: usize) -> Clients {
    login(users.len() as u64, connections)
}

/// Logs in accounts whose hash has the default cost.
pub(super) fn login(users: u64, connections: usize) -> Clients {
    let requests = default_hash_usernames(users).map(|name| login_request(&name, PASSWORD));
    repeating_clients(requests.collect(), connections)
}
