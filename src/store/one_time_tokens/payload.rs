//! The encryption of payloads, which is the same in every store.
//!
//! A payload is authenticated together with the purpose, the id, the digest, the subject, the
//! expiry and the greatest number of tries of its token. So an attacker who can write to a store
//! cannot put the payload of a victim's token under a digest that the attacker knows. Nor can the
//! attacker change the subject, or lengthen the life of a token. The number of tries so far is not
//! authenticated, because it changes: such an attacker can reset it.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::encryption::{Encryption, EncryptionContext};
use crate::domain::one_time_token::{NewOneTimeToken, OpenedToken, TokenDigest, TokenId, TokenPurpose, TokenSubject};

/// Seals and opens payloads.
#[derive(Clone)]
pub(crate) struct Payloads {
    encryption: Arc<dyn Encryption>,
}

/// A token as a store returned it. The digest is no part of it: it is the one that was presented.
pub(crate) struct SealedToken {
    pub(crate) id: TokenId,
    pub(crate) subject: Option<TokenSubject>,
    pub(crate) expires_at: Timestamp,
    pub(crate) max_tries: u32,
    pub(crate) sealed_payload: Vec<u8>,
}

impl Payloads {
    pub(crate) fn new(encryption: Arc<dyn Encryption>) -> Self {
        Self { encryption }
    }

    pub(crate) fn seal(&self, token: &NewOneTimeToken) -> Result<Vec<u8>> {
        let columns = columns(
            token.digest,
            token.expires_at(),
            token.purpose.rules().max_tries,
            token.subject.as_ref(),
        );
        self.encryption
            .seal(token.payload.expose(), context(token.id, token.purpose, &columns))
    }

    /// Opens the payload of the token that was found by `presented`, or whose code has that digest.
    ///
    /// `None` if the payload does not open: it was sealed under an `AUTH_SECRET` that is not set
    /// any more, it was moved from another token, or its token was changed. Such a token is as
    /// good as none.
    pub(crate) fn open(
        &self,
        sealed: SealedToken,
        purpose: TokenPurpose,
        presented: TokenDigest,
    ) -> Option<OpenedToken> {
        let columns = columns(presented, sealed.expires_at, sealed.max_tries, sealed.subject.as_ref());
        let opened = self
            .encryption
            .open(&sealed.sealed_payload, context(sealed.id, purpose, &columns));
        let Some(payload) = opened else {
            tracing::warn!(
                purpose = purpose.name(),
                "the payload of a one-time token cannot be opened: AUTH_SECRET or the stored token was changed"
            );
            return None;
        };
        Some(OpenedToken {
            id: sealed.id,
            subject: sealed.subject,
            payload,
        })
    }
}

fn context(id: TokenId, purpose: TokenPurpose, columns: &[u8]) -> EncryptionContext<'_> {
    EncryptionContext {
        purpose: purpose.name(),
        id: id.0,
        columns,
    }
}

/// All parts but the last have a fixed length, so that no two tokens have the same bytes. One byte
/// says whether there is a subject.
fn columns(digest: TokenDigest, expires_at: Timestamp, max_tries: u32, subject: Option<&TokenSubject>) -> Vec<u8> {
    [
        digest.0.as_slice(),
        &expires_at.millis().to_be_bytes(),
        &max_tries.to_be_bytes(),
        &[u8::from(subject.is_some())],
        subject.map_or(b"", |subject| subject.as_str().as_bytes()),
    ]
    .concat()
}
