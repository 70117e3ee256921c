//! GraphQL documents, HTTP, WebSockets and GraphiQL.

mod documents;
mod graphiql;
mod over_http;
mod websockets;
