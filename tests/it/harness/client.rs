//! A client for the operations of both APIs, and for raw requests.

use std::net::SocketAddr;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    Rest,
    Graphql,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    pub access_token: String,
    pub refresh_token: String,
    pub expires_in: u64,
    pub user: User,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub uuid: String,
    pub email: String,
    pub username: String,
    pub profile_image_url: Value,
}

/// An error of either api, after its shape has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: String,
    pub reason: Option<String>,
    pub fields: Vec<String>,
    pub message: String,
}

/// The code of a refusal, or "ok".
pub fn code<T>(outcome: Result<T, Refusal>) -> String {
    outcome.map_or_else(|refusal| refusal.code, |_| "ok".to_owned())
}

#[derive(Debug, Clone, Copy)]
pub struct Client {
    pub api: Api,
    pub address: SocketAddr,
}

impl Refusal {
    /// Whether the answer names this field, in the form of either API.
    pub fn names(&self, field: &str) -> bool {
        self.fields.iter().any(|named| named == field)
            || ['"', '.']
                .iter()
                .any(|start| self.message.contains(&format!("{start}{field}\"")))
    }
}

const PAYLOAD: &str =
    "{ token { accessToken refreshToken tokenType expiresIn } user { id uuid email username profileImageUrl } }";

impl Client {
    pub async fn register_with(&self, email: &str, password: &str, username: &str) -> Result<SignedIn, Refusal> {
        self.register(&json!({"email": email, "password": password, "username": username}))
            .await
    }

    pub async fn register(&self, input: &Value) -> Result<SignedIn, Refusal> {
        match self.api {
            Api::Rest => self
                .rest(Method::POST, "/auth/register", Some(input), None, StatusCode::CREATED)
                .await
                .map(from_rest),
            Api::Graphql => {
                let query = format!("mutation($input: RegisterInput!) {{ register(input: $input) {PAYLOAD} }}");
                self.graphql(&query, &json!({ "input": input }), None)
                    .await
                    .map(|data| from_graphql(&data["register"]))
            }
        }
    }

    pub async fn login(&self, input: &Value) -> Result<SignedIn, Refusal> {
        match self.api {
            Api::Rest => self
                .rest(Method::POST, "/auth/login", Some(input), None, StatusCode::OK)
                .await
                .map(from_rest),
            Api::Graphql => {
                let query = format!("mutation($input: LoginInput!) {{ login(input: $input) {PAYLOAD} }}");
                self.graphql(&query, &json!({ "input": input }), None)
                    .await
                    .map(|data| from_graphql(&data["login"]))
            }
        }
    }

    pub async fn refresh(&self, token: &str) -> Result<SignedIn, Refusal> {
        self.refresh_bearing(token, None).await
    }

    /// With an `Authorization` header, which a refresh must ignore.
    pub async fn refresh_bearing(&self, token: &str, bearer: Option<&str>) -> Result<SignedIn, Refusal> {
        match self.api {
            Api::Rest => {
                let body = json!({ "refresh_token": token });
                self.rest(Method::POST, "/auth/refresh", Some(&body), bearer, StatusCode::OK)
                    .await
                    .map(from_rest)
            }
            Api::Graphql => {
                let query = format!("mutation($token: String) {{ refreshToken(refreshToken: $token) {PAYLOAD} }}");
                let data = self.graphql(&query, &json!({ "token": token }), bearer).await;
                data.map(|data| from_graphql(&data["refreshToken"]))
            }
        }
    }

    /// `scope` is `current`, `others` or `all`.
    pub async fn logout(
        &self,
        bearer: Option<&str>,
        refresh: Option<&str>,
        scope: Option<&str>,
    ) -> Result<(), Refusal> {
        match self.api {
            Api::Rest => {
                let mut body = serde_json::Map::new();
                refresh.map(|token| body.insert("refresh_token".to_owned(), token.into()));
                scope.map(|scope| body.insert("scope".to_owned(), scope.into()));
                let body = (!body.is_empty()).then_some(Value::Object(body));
                let path = "/auth/logout";
                self.rest(Method::POST, path, body.as_ref(), bearer, StatusCode::NO_CONTENT)
                    .await
                    .map(drop)
            }
            Api::Graphql => {
                let scope = scope.map_or(String::new(), |scope| format!(", scope: {}", scope.to_uppercase()));
                let query = format!("mutation($token: String) {{ logout(refreshToken: $token{scope}) }}");
                let data = self.graphql(&query, &json!({ "token": refresh }), bearer).await?;
                assert_eq!(data["logout"], json!(true));
                Ok(())
            }
        }
    }

    pub async fn me(&self, access_token: &str) -> Result<User, Refusal> {
        self.me_with(&[("authorization", &format!("Bearer {access_token}"))])
            .await
    }

    /// The caller's sessions, with the field names of REST.
    pub async fn sessions(&self, access_token: &str) -> Result<Vec<Value>, Refusal> {
        match self.api {
            Api::Rest => {
                let body = self
                    .rest(Method::GET, "/auth/sessions", None, Some(access_token), StatusCode::OK)
                    .await?;
                Ok(body.as_array().unwrap().clone())
            }
            Api::Graphql => {
                let query = "{ sessions { id created_at: createdAt last_used_at: lastUsedAt expires_at: expiresAt
                    user_agent: userAgent ip current } }";
                let data = self.graphql(query, &json!({}), Some(access_token)).await?;
                Ok(data["sessions"].as_array().unwrap().clone())
            }
        }
    }

    pub async fn end_session(&self, access_token: &str, id: &str) -> Result<(), Refusal> {
        match self.api {
            Api::Rest => {
                let path = format!("/auth/sessions/{id}");
                self.rest(Method::DELETE, &path, None, Some(access_token), StatusCode::NO_CONTENT)
                    .await
                    .map(drop)
            }
            Api::Graphql => {
                let query = "mutation($id: ID!) { endSession(id: $id) }";
                let data = self.graphql(query, &json!({ "id": id }), Some(access_token)).await?;
                assert_eq!(data["endSession"], json!(true));
                Ok(())
            }
        }
    }

    pub async fn change_password(&self, access_token: &str, current: &str, new: &str) -> Result<(), Refusal> {
        match self.api {
            Api::Rest => {
                let body = json!({"current_password": current, "new_password": new});
                let (path, success) = ("/auth/password", StatusCode::NO_CONTENT);
                self.rest(Method::POST, path, Some(&body), Some(access_token), success)
                    .await
                    .map(drop)
            }
            Api::Graphql => {
                let query = "mutation($input: ChangePasswordInput!) { changePassword(input: $input) }";
                let input = json!({"input": {"currentPassword": current, "newPassword": new}});
                let data = self.graphql(query, &input, Some(access_token)).await?;
                assert_eq!(data["changePassword"], json!(true));
                Ok(())
            }
        }
    }

    /// With exactly these headers.
    pub async fn me_with(&self, headers: &[(&str, &str)]) -> Result<User, Refusal> {
        let request = match self.api {
            Api::Rest => http().get(self.url("/auth/me")),
            Api::Graphql => {
                let body = json!({"query": "{ me { id uuid email username profileImageUrl } }"});
                http().post(self.url("/graphql")).json(&body)
            }
        };
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        match self.api {
            Api::Rest => rest_answer(request, StatusCode::OK)
                .await
                .map(|body| user(&body, "profile_image_url")),
            Api::Graphql => graphql_answer(request)
                .await
                .map(|data| user(&data["me"], "profileImageUrl")),
        }
    }

    async fn rest(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        bearer: Option<&str>,
        success: StatusCode,
    ) -> Result<Value, Refusal> {
        let mut request = http().request(method, self.url(path));
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        rest_answer(request, success).await
    }

    async fn graphql(&self, query: &str, variables: &Value, bearer: Option<&str>) -> Result<Value, Refusal> {
        let mut request = http()
            .post(self.url("/graphql"))
            .json(&json!({"query": query, "variables": variables}));
        if let Some(bearer) = bearer {
            request = request.bearer_auth(bearer);
        }
        graphql_answer(request).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// A request of any kind: status, headers, and the body if it is JSON.
pub async fn raw(request: RequestBuilder) -> (StatusCode, HeaderMap, Value) {
    let response = request.send().await.expect("the gateway answers");
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.unwrap();
    (status, headers, serde_json::from_slice(&body).unwrap_or_default())
}

/// A client that ignores proxy settings of the environment.
pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Checks the headers of every REST answer, and the members of every problem document.
async fn rest_answer(request: RequestBuilder, success: StatusCode) -> Result<Value, Refusal> {
    let (status, headers, body) = raw(request).await;
    assert!(headers.contains_key("x-request-id"));
    assert_eq!(headers["cache-control"], "no-store");
    if status.is_success() {
        assert_eq!(status, success, "{body}");
        return Ok(body);
    }
    let code = body["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no problem document: {status} {body}"));
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(body["status"], json!(status.as_u16()));
    assert_eq!(
        body["request_id"].as_str().unwrap(),
        headers["x-request-id"].to_str().unwrap()
    );
    assert_eq!(status.as_u16(), contract_status(code), "{body}");
    assert_eq!(
        headers.get("www-authenticate").map(|value| value.to_str().unwrap()),
        (status == 401).then_some("Bearer")
    );
    Err(refusal(code, &body, body["detail"].as_str().unwrap()))
}

async fn graphql_answer(request: RequestBuilder) -> Result<Value, Refusal> {
    let (status, headers, body) = raw(request.header("accept", "application/graphql-response+json")).await;
    assert!(headers.contains_key("x-request-id"));
    assert_eq!(headers["cache-control"], "no-store");
    let Some(error) = body["errors"].get(0) else {
        assert_eq!(status, StatusCode::OK, "{body}");
        return Ok(body["data"].clone());
    };
    let code = error["extensions"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no code: {body}"));
    let is_executed = error.get("path").is_some();
    assert_eq!(
        status.as_u16(),
        if is_executed { 200 } else { contract_status(code) },
        "{body}"
    );
    Err(refusal(code, &error["extensions"], error["message"].as_str().unwrap()))
}

fn refusal(code: &str, details: &Value, message: &str) -> Refusal {
    assert!(!message.is_empty());
    let fields = details["fields"].as_array().cloned().unwrap_or_default();
    for field in &fields {
        assert!(!field["message"].as_str().unwrap().is_empty());
    }
    Refusal {
        code: code.to_owned(),
        reason: details["reason"].as_str().map(str::to_owned),
        fields: fields
            .iter()
            .map(|field| field["field"].as_str().unwrap().to_owned())
            .collect(),
        message: message.to_owned(),
    }
}

/// The status of each code, repeated here on purpose: a change of the product's table must fail.
fn contract_status(code: &str) -> u16 {
    match code {
        "BAD_REQUEST" => 400,
        code if code.starts_with("GRAPHQL_") => 400,
        "INVALID_CREDENTIALS" | "UNAUTHENTICATED" | "REFRESH_TOKEN_INVALID" | "REFRESH_TOKEN_REUSED" => 401,
        "FORBIDDEN" => 403,
        "NOT_FOUND" => 404,
        "METHOD_NOT_ALLOWED" => 405,
        "REQUEST_TIMEOUT" => 408,
        "NOT_ACCEPTABLE" => 406,
        "EMAIL_TAKEN" | "USERNAME_TAKEN" => 409,
        "PAYLOAD_TOO_LARGE" => 413,
        "UNSUPPORTED_MEDIA_TYPE" => 415,
        "VALIDATION_FAILED" => 422,
        "RATE_LIMITED" => 429,
        "INTERNAL" => 500,
        "UNAVAILABLE" => 503,
        other => panic!("{other} is not in the contract"),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the signature that map needs")]
fn from_rest(body: Value) -> SignedIn {
    assert_eq!(body["token"]["token_type"], "bearer");
    SignedIn {
        access_token: text(&body["token"]["access_token"]),
        refresh_token: text(&body["token"]["refresh_token"]),
        expires_in: body["token"]["expires_in"].as_u64().unwrap(),
        user: user(&body["user"], "profile_image_url"),
    }
}

fn from_graphql(payload: &Value) -> SignedIn {
    assert_eq!(payload["token"]["tokenType"], "bearer");
    assert_eq!(payload["user"]["id"], payload["user"]["uuid"]);
    SignedIn {
        access_token: text(&payload["token"]["accessToken"]),
        refresh_token: text(&payload["token"]["refreshToken"]),
        expires_in: payload["token"]["expiresIn"].as_u64().unwrap(),
        user: user(&payload["user"], "profileImageUrl"),
    }
}

fn user(user: &Value, image: &str) -> User {
    User {
        uuid: text(&user["uuid"]),
        email: text(&user["email"]),
        username: text(&user["username"]),
        profile_image_url: user.get(image).expect("the image is null, not missing").clone(),
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is not text"))
        .to_owned()
}
