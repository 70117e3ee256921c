//! Who sits at a connection: what it asks next, and what it makes of the answer.

use crate::wire::Answer;

/// Something that asks one question after another.
pub trait Client: Send {
    /// The bytes of the next request.
    fn request(&mut self) -> &[u8];

    /// Judges the answer to it.
    ///
    /// # Errors
    /// When the answer is a failure.
    fn judge(&mut self, answer: &Answer<'_>) -> Result<(), String>;
}

/// All clients of a load, one for each connection.
pub type Crowd = Vec<Box<dyn Client>>;

/// Asks the same requests again and again, in turn.
pub struct Reciter {
    requests: Vec<Vec<u8>>,
    next: usize,
}

/// Renews the sessions of several people, in turn, each with the token that the last renewal gave.
pub struct Renewer {
    people: Vec<Renewal>,
    next: usize,
}

/// A request with a place for the token.
struct Renewal {
    request: Vec<u8>,
    token_at: usize,
    token_length: usize,
}

/// Where the token stands in an answer.
const TOKEN_NAME: &[u8] = b"\"refresh_token\":\"";

impl Client for Reciter {
    fn request(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.requests.len();
        &self.requests[self.next]
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Result<(), String> {
        succeeded(answer)
    }
}

impl Client for Renewer {
    fn request(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.people.len();
        &self.people[self.next].request
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Result<(), String> {
        succeeded(answer)?;
        self.people[self.next].go_on_with(answer.body)
    }
}

impl Renewal {
    fn go_on_with(&mut self, body: &[u8]) -> Result<(), String> {
        let begin = find(body, TOKEN_NAME).ok_or("an answer without a refresh token")? + TOKEN_NAME.len();
        let fresh = body
            .get(begin..begin + self.token_length)
            .ok_or("a refresh token of another length")?;
        let current = &mut self.request[self.token_at..self.token_at + self.token_length];
        if current == fresh {
            return Err("a renewal gave the token that it was asked with".to_owned());
        }
        current.copy_from_slice(fresh);
        Ok(())
    }
}

/// Deals requests out to so many connections.
pub fn reciters(requests: Vec<Vec<u8>>, connections: usize) -> Crowd {
    let clients = deal(requests, connections).into_iter();
    clients
        .map(|requests| Box::new(Reciter { requests, next: 0 }) as Box<dyn Client>)
        .collect()
}

/// Deals people out to so many connections, so that each has them to itself.
pub fn renewers<'a>(tokens: impl Iterator<Item = &'a str>, connections: usize) -> Crowd {
    let people: Vec<Renewal> = tokens.map(renewal).collect();
    let clients = deal(people, connections).into_iter();
    clients
        .map(|people| Box::new(Renewer { people, next: 0 }) as Box<dyn Client>)
        .collect()
}

fn renewal(token: &str) -> Renewal {
    let request = refresh_request("/auth/refresh", token);
    Renewal {
        token_at: find(&request, token.as_bytes()).unwrap_or_default(),
        token_length: token.len(),
        request,
    }
}

fn deal<T>(things: Vec<T>, hands: usize) -> Vec<Vec<T>> {
    let mut dealt: Vec<Vec<T>> = (0..hands).map(|_| Vec::new()).collect();
    for (number, thing) in things.into_iter().enumerate() {
        dealt[number % hands].push(thing);
    }
    dealt.retain(|hand| !hand.is_empty());
    dealt
}

/// An answer that is not 2xx, or tells of a GraphQL error, is a failure.
fn succeeded(answer: &Answer<'_>) -> Result<(), String> {
    if (200..300).contains(&answer.status) && find(answer.body, b"\"errors\"").is_none() {
        return Ok(());
    }
    Err(format!(
        "{} {}",
        answer.status,
        String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)])
    ))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// `GET` with an access token.
pub fn get_request(path: &str, access_token: &str) -> Vec<u8> {
    request(&format!("GET {path}"), &bearer(access_token), "")
}

/// `GET` of anybody.
pub fn plain_request(path: &str) -> Vec<u8> {
    request(&format!("GET {path}"), "", "")
}

/// GraphQL's `me`, every field of it.
pub fn graphql_me_request(access_token: &str) -> Vec<u8> {
    let headers = bearer(access_token) + "Accept: application/graphql-response+json\r\n";
    let body = r#"{"query":"{ me { id uuid email username profileImageUrl } }"}"#;
    request("POST /graphql", &headers, body)
}

/// A login with a username.
pub fn login_request(username: &str, password: &str) -> Vec<u8> {
    let body = format!(r#"{{"username":"{username}","password":"{password}"}}"#);
    request("POST /auth/login", "", &body)
}

/// A renewal.
pub fn refresh_request(path: &str, token: &str) -> Vec<u8> {
    request(
        &format!("POST {path}"),
        "",
        &format!(r#"{{"refresh_token":"{token}"}}"#),
    )
}

/// The header of an access token.
pub fn bearer(access_token: &str) -> String {
    format!("Authorization: Bearer {access_token}\r\n")
}

/// Any request: method and path, the headers that it has beyond the usual ones, and a body of JSON or none.
pub fn request(target: &str, headers: &str, body: &str) -> Vec<u8> {
    let described = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
    };
    format!("{target} HTTP/1.1\r\nHost: localhost\r\n{headers}{described}\r\n{body}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer<'static> {
        Answer {
            status,
            body: body.as_bytes(),
        }
    }

    #[test]
    fn whatever_is_no_success_is_a_failure() {
        assert!(succeeded(&answer(200, r#"{"data":{"me":{}}}"#)).is_ok());
        assert!(succeeded(&answer(204, "")).is_ok());
        assert!(succeeded(&answer(200, r#"{"data":{"me":null},"errors":[]}"#)).is_err());
        for status in [199, 301, 401, 429, 503] {
            assert!(succeeded(&answer(status, "")).is_err(), "{status}");
        }
    }

    #[test]
    fn a_renewal_goes_on_with_the_token_that_it_was_given() {
        let mut renewal = renewal("aaaa");
        renewal.go_on_with(br#"{"token":{"refresh_token":"bbbb"}}"#).unwrap();
        assert_eq!(renewal.request, refresh_request("/auth/refresh", "bbbb"));
        assert!(renewal.go_on_with(br#"{"token":{"refresh_token":"bbbb"}}"#).is_err());
        assert!(renewal.go_on_with(b"{}").is_err());
    }

    #[test]
    fn everything_is_dealt_once() {
        assert_eq!(deal(vec![1, 2, 3, 4, 5], 2), [vec![1, 3, 5], vec![2, 4]]);
        assert_eq!(deal(vec![1], 3), [[1]]);
    }
}
