//! Sessions, from sign-in to logout.

mod authenticate;
mod end;
mod end_all;
mod list;
mod logout;
mod refresh;
mod service;
mod tokens;
mod watch;
mod watchers;

pub use authenticate::Authenticator;
pub(crate) use end::EndSession;
pub use end_all::{EndedSessions, SessionEnder};
pub use logout::{LogoutInput, LogoutScope};
pub use service::SessionService;
pub use tokens::{SignedIn, TokenIssuer, Tokens};
pub use watchers::{SessionWatch, WATCH_INTERVAL, Watchers};
