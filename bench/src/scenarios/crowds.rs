//! Who asks what: a crowd for each deed, of people who have signed in.

use crate::client::{Crowd, get_request, graphql_me_request, login_request, reciters, renewers};
use crate::dataset::{PASSWORD, costly_names};
use crate::people::Person;

/// Makes a crowd of people over so many connections.
pub(super) type Deed = fn(&[Person], usize) -> Crowd;

/// What each figure of growth and of several nodes is about.
pub(super) const DEEDS: [(&str, Deed); 4] = [
    ("`me`, REST", rest_me),
    ("`me`, GraphQL", graphql_me),
    ("refresh, REST", refresh),
    (LOGIN, login_as_many),
];

/// The one deed that is rare.
pub(super) const LOGIN: &str = "login, REST";

pub(super) fn rest_me(people: &[Person], connections: usize) -> Crowd {
    let requests = people
        .iter()
        .map(|person| get_request("/auth/me", &person.access_token));
    reciters(requests.collect(), connections)
}

pub(super) fn graphql_me(people: &[Person], connections: usize) -> Crowd {
    let requests = people.iter().map(|person| graphql_me_request(&person.access_token));
    reciters(requests.collect(), connections)
}

pub(super) fn refresh(people: &[Person], connections: usize) -> Crowd {
    renewers(people.iter().map(|person| person.refresh_token.as_str()), connections)
}

fn login_as_many(people: &[Person], connections: usize) -> Crowd {
    login(people.len() as u64, connections)
}

/// People whose hash has the default cost.
pub(super) fn login(people: u64, connections: usize) -> Crowd {
    let requests = costly_names(people).map(|name| login_request(&name, PASSWORD));
    reciters(requests.collect(), connections)
}
