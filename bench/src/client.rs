//! The clients of a load: what they send, and how they check the responses.

use crate::http_connection::Response;

/// The client of one connection. It sends one request after another.
pub trait Client: Send {
    fn request(&mut self) -> &[u8];

    /// Checks the response to the last request.
    ///
    /// # Errors
    /// If the response is a failure.
    fn check(&mut self, response: &Response<'_>) -> Result<(), String>;
}

/// One client per connection.
pub type Clients = Vec<Box<dyn Client>>;

/// Sends the same requests again and again, round robin.
pub struct RepeatingClient {
    requests: Vec<Vec<u8>>,
    next: usize,
}

/// Refreshes several sessions round robin, each with the token of its last refresh.
pub struct RefreshingClient {
    users: Vec<RefreshRequest>,
    next: usize,
}

/// A refresh request whose token can be replaced in place.
struct RefreshRequest {
    request: Vec<u8>,
    token_at: usize,
    token_length: usize,
}

/// The text in front of the token in a response.
const TOKEN_NAME: &[u8] = b"\"refresh_token\":\"";

impl Client for RepeatingClient {
    fn request(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.requests.len();
        &self.requests[self.next]
    }

    fn check(&mut self, response: &Response<'_>) -> Result<(), String> {
        expect_success(response)
    }
}

impl Client for RefreshingClient {
    fn request(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.users.len();
        &self.users[self.next].request
    }

    fn check(&mut self, response: &Response<'_>) -> Result<(), String> {
        expect_success(response)?;
        self.users[self.next].take_token_from(response.body)
    }
}

impl RefreshRequest {
    fn take_token_from(&mut self, body: &[u8]) -> Result<(), String> {
        let begin = find(body, TOKEN_NAME).ok_or("a response without a refresh token")? + TOKEN_NAME.len();
        let fresh = body
            .get(begin..begin + self.token_length)
            .ok_or("a refresh token of another length")?;
        let current = &mut self.request[self.token_at..self.token_at + self.token_length];
        if current == fresh {
            return Err("a refresh returned the token that it was sent".to_owned());
        }
        current.copy_from_slice(fresh);
        Ok(())
    }
}

/// Distributes the requests over the connections.
pub fn repeating_clients(requests: Vec<Vec<u8>>, connections: usize) -> Clients {
    let clients = distribute(requests, connections).into_iter();
    clients
        .map(|requests| Box::new(RepeatingClient { requests, next: 0 }) as Box<dyn Client>)
        .collect()
}

/// Distributes the sessions over the connections, so that each session has exactly one client.
pub fn refreshing_clients<'a>(tokens: impl Iterator<Item = &'a str>, connections: usize) -> Clients {
    let users: Vec<RefreshRequest> = tokens.map(refresh_request_of).collect();
    let clients = distribute(users, connections).into_iter();
    clients
        .map(|users| Box::new(RefreshingClient { users, next: 0 }) as Box<dyn Client>)
        .collect()
}

fn refresh_request_of(token: &str) -> RefreshRequest {
    let request = refresh_request("/auth/refresh", token);
    RefreshRequest {
        token_at: find(&request, token.as_bytes()).unwrap_or_default(),
        token_length: token.len(),
        request,
    }
}

fn distribute<T>(items: Vec<T>, count: usize) -> Vec<Vec<T>> {
    let mut shares: Vec<Vec<T>> = (0..count).map(|_| Vec::new()).collect();
    for (number, item) in items.into_iter().enumerate() {
        shares[number % count].push(item);
    }
    shares.retain(|share| !share.is_empty());
    shares
}

/// A status other than 2xx is a failure, and so is a GraphQL error.
fn expect_success(response: &Response<'_>) -> Result<(), String> {
    if (200..300).contains(&response.status) && find(response.body, b"\"errors\"").is_none() {
        return Ok(());
    }
    Err(format!(
        "{} {}",
        response.status,
        String::from_utf8_lossy(&response.body[..response.body.len().min(300)])
    ))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

pub fn get_request(path: &str, access_token: &str) -> Vec<u8> {
    request(&format!("GET {path}"), &bearer(access_token), "")
}

/// A `GET` without a token.
pub fn plain_request(path: &str) -> Vec<u8> {
    request(&format!("GET {path}"), "", "")
}

/// GraphQL's `me` with all fields.
pub fn graphql_me_request(access_token: &str) -> Vec<u8> {
    let headers = bearer(access_token) + "Accept: application/graphql-response+json\r\n";
    let body = r#"{"query":"{ me { id uuid email username profileImageUrl } }"}"#;
    request("POST /graphql", &headers, body)
}

pub fn login_request(username: &str, password: &str) -> Vec<u8> {
    let body = format!(r#"{{"username":"{username}","password":"{password}"}}"#);
    request("POST /auth/login", "", &body)
}

pub fn refresh_request(path: &str, token: &str) -> Vec<u8> {
    request(
        &format!("POST {path}"),
        "",
        &format!(r#"{{"refresh_token":"{token}"}}"#),
    )
}

pub fn bearer(access_token: &str) -> String {
    format!("Authorization: Bearer {access_token}\r\n")
}

/// An HTTP/1.1 request. `target` is method and path, `headers` are extra headers, `body` is JSON or
/// empty.
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

    fn response(status: u16, body: &'static str) -> Response<'static> {
        Response {
            status,
            body: body.as_bytes(),
        }
    }

    #[test]
    fn only_a_success_passes() {
        assert!(expect_success(&response(200, r#"{"data":{"me":{}}}"#)).is_ok());
        assert!(expect_success(&response(204, "")).is_ok());
        assert!(expect_success(&response(200, r#"{"data":{"me":null},"errors":[]}"#)).is_err());
        for status in [199, 301, 401, 429, 503] {
            assert!(expect_success(&response(status, "")).is_err(), "{status}");
        }
    }

    #[test]
    fn the_next_refresh_sends_the_new_token() {
        let mut refresh = refresh_request_of("aaaa");
        refresh
            .take_token_from(br#"{"token":{"refresh_token":"bbbb"}}"#)
            .unwrap();
        assert_eq!(refresh.request, refresh_request("/auth/refresh", "bbbb"));
        assert!(
            refresh
                .take_token_from(br#"{"token":{"refresh_token":"bbbb"}}"#)
                .is_err()
        );
        assert!(refresh.take_token_from(b"{}").is_err());
    }

    #[test]
    fn every_item_is_distributed_once() {
        assert_eq!(distribute(vec![1, 2, 3, 4, 5], 2), [vec![1, 3, 5], vec![2, 4]]);
        assert_eq!(distribute(vec![1], 3), [[1]]);
    }
}
