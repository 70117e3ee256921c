//! Watch: a front end learns that its session has ended, and why.

use crate::domain::Result;
use crate::domain::client::Credentials;
use crate::service::metrics::measured;
use crate::service::session::{SessionService, SessionWatch};

impl SessionService {
    /// Waits for the end of the session of the access token. The token may expire meanwhile. A
    /// session that has ended already is no error: the client may have been offline.
    ///
    /// # Errors
    /// `Unauthenticated` with the reason; `Unavailable`.
    pub async fn watch(&self, credentials: &Credentials) -> Result<SessionWatch> {
        let watch = async {
            let session = self.authenticator.verify_unexpired(credentials).await?.session;
            self.watchers.watch(session).await
        };
        measured("watch_session", watch).await
    }

    /// Notifies the watchers at this node of the sessions that have ended. `app` calls it every
    /// `WATCH_INTERVAL`.
    ///
    /// # Errors
    /// `Unavailable`. The next call notifies them of the same ends.
    pub async fn notify_watchers(&self) -> Result<()> {
        self.watchers.poll().await
    }
}
