//! The encryption of payloads, which is the same in every store.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::encryption::{Encryption, EncryptionContext};
use crate::domain::one_time_token::{NewOneTimeToken, OpenedToken, TokenId, TokenPurpose, TokenSubject};

/// Seals and opens payloads.
#[derive(Clone)]
pub(crate) struct Payloads {
    encryption: Arc<dyn Encryption>,
}

/// A token as a store returned it.
pub(crate) struct SealedToken {
    pub(crate) id: TokenId,
    pub(crate) subject: Option<TokenSubject>,
    pub(crate) sealed_payload: Vec<u8>,
}

impl Payloads {
    pub(crate) fn new(encryption: Arc<dyn Encryption>) -> Self {
        Self { encryption }
    }

    pub(crate) fn seal(&self, token: &NewOneTimeToken) -> Result<Vec<u8>> {
        self.encryption
            .seal(token.payload.expose(), context(token.id, token.purpose))
    }

    /// `None` if the payload does not open: it was sealed under an `AUTH_SECRET` that is not set
    /// any more, or moved from another row. Such a token is as good as none.
    pub(crate) fn open(&self, sealed: SealedToken, purpose: TokenPurpose) -> Option<OpenedToken> {
        let opened = self
            .encryption
            .open(&sealed.sealed_payload, context(sealed.id, purpose));
        let Some(payload) = opened else {
            tracing::warn!(
                purpose = purpose.name(),
                "the payload of a one-time token cannot be opened with this AUTH_SECRET"
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

fn context(id: TokenId, purpose: TokenPurpose) -> EncryptionContext<'static> {
    EncryptionContext {
        purpose: purpose.name(),
        id: id.0,
    }
}
