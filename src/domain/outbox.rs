//! Messages that leave the gateway after a commit: mail, and later webhooks.
//!
//! A message is written in the transaction of the change that it reports. So it is stored if, and
//! only if, the change is. A worker delivers it afterwards, and repeats that until it succeeds. A
//! message may be delivered twice, when a node dies between the delivery and its record. Its id
//! lets the receiver recognise that.
//!
//! To send a message from a new use case:
//!
//! 1. Choose a `kind`, and serialise what the delivery needs into the contents.
//! 2. In the store method that changes the data, call `Outbox::enqueue_in` with its transaction.
//!    After the commit call `Enqueued::announce`, so that the worker of this node need not poll.
//!    If nothing else is stored, `Outbox::enqueue` does all of it.
//! 3. Let the `Delivery` that `app/assemble.rs` gives to the worker know the new kind.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::account::AccountId;
use crate::domain::clock::Timestamp;
use crate::domain::secret::SecretBytes;

/// After this time a message is given up.
const GIVE_UP_AFTER: Duration = Duration::from_hours(24);
/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(4);
/// The longest pause. RFC 5321 section 4.5.4.1 allows less than its 30 minutes while a person
/// waits.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// Names a message. The receiver may use it to recognise a message that comes twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId(pub Uuid);

impl MessageId {
    /// A fresh id, roughly ordered by time.
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

/// A message that is about to be stored.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Its id.
    pub id: MessageId,
    /// What it is: chooses how it is delivered, and labels the metrics. Contains nothing secret.
    pub kind: &'static str,
    /// What is delivered. It may contain secrets, and is stored encrypted.
    pub contents: SecretBytes,
    /// The account that it is about.
    pub account: Option<AccountId>,
    /// When it is stored.
    pub created_at: Timestamp,
    /// From this time on it is useless: when the token in it expires, for example.
    pub useless_at: Timestamp,
}

impl NewMessage {
    /// From this time on it is not delivered any more.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.useless_at.min(self.created_at.plus(GIVE_UP_AFTER))
    }
}

/// A message that a worker has claimed.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// What it is.
    pub kind: String,
    /// What is delivered.
    pub contents: SecretBytes,
    /// The account that it is about.
    pub account: Option<AccountId>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// From this time on it is not delivered any more.
    pub expires_at: Timestamp,
    /// How often it was claimed, this time included.
    pub attempts: u32,
}

impl Message {
    /// When to try again after a failure at `now`; never after the message has expired.
    #[must_use]
    pub fn next_attempt(&self, now: Timestamp) -> Timestamp {
        now.plus(retry_pause(self.attempts)).min(self.expires_at)
    }
}

/// A message that will not be delivered any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndeliveredMessage {
    /// Its id.
    pub id: MessageId,
    /// What it was.
    pub kind: String,
    /// The account that it was about.
    pub account: Option<AccountId>,
    /// How often it was tried.
    pub attempts: u32,
    /// The last failure; `None` if it was never tried.
    pub last_error: Option<String>,
}

/// How long to wait after so many attempts: 4 s, then twice as long each time, up to 10 minutes.
#[must_use]
pub fn retry_pause(attempts: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(attempts.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn pauses_grow_from_less_than_5_seconds_to_10_minutes() {
        let pauses: Vec<u64> = (1..=10).map(|attempts| retry_pause(attempts).as_secs()).collect();
        assert_eq!(pauses, [4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(retry_pause(0), FIRST_PAUSE);
        assert_eq!(retry_pause(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_message_expires_after_a_day_or_when_it_is_useless() {
        let message = |useless_at| NewMessage {
            id: MessageId::fresh(),
            kind: "test",
            contents: SecretBytes::new(Vec::new()),
            account: None,
            created_at: at(0),
            useless_at,
        };
        assert_eq!(message(at(60)).expires_at(), at(60));
        assert_eq!(message(at(1_000_000)).expires_at(), at(86_400));
    }

    #[test]
    fn no_attempt_is_planned_after_the_message_has_expired() {
        let message = |attempts| Message {
            id: MessageId::fresh(),
            kind: "test".to_owned(),
            contents: SecretBytes::new(Vec::new()),
            account: None,
            created_at: at(0),
            expires_at: at(100),
            attempts,
        };
        assert_eq!(message(1).next_attempt(at(50)), at(54));
        assert_eq!(message(9).next_attempt(at(50)), at(100));
    }
}
