//! Answers to "who am I?" that were given before: to the same document, the same account gets the same answer.
//!
//! What is remembered saves the engine its work, and never a question to the store: whose session it is, and what the account looks like
//! now, is found out first, each time. An answer made from anything else than the account that it stands beside must not come here.

use std::sync::Arc;

use axum::body::Bytes;

use crate::api::graphql::document::DocumentId;
use crate::bounded_cache::{BoundedCache, CacheWeight};
use crate::domain::account::{Account, AccountId};

/// Most memory for all answers, in bytes.
const MOST: usize = 8 << 20;

/// The answers that are remembered.
pub(crate) struct Answers(BoundedCache<(DocumentId, AccountId), Arc<Answer>>);

struct Answer {
    account: Arc<Account>,
    body: Bytes,
}

impl Answers {
    pub(crate) fn none() -> Self {
        Self(BoundedCache::of(MOST))
    }

    /// The answer to this document for an account that is as it was then.
    pub(crate) fn find(&self, document: DocumentId, account: &Arc<Account>) -> Option<Bytes> {
        let answer = self.0.find(&(document, account.id))?;
        (answer.account == *account).then(|| answer.body.clone())
    }

    /// Remembers what was answered to a document that asks for `me` alone.
    pub(crate) fn remember(&self, document: DocumentId, account: Arc<Account>, body: &[u8]) {
        // A copy: what it was written into has room to spare.
        let body = Bytes::copy_from_slice(body);
        self.0
            .remember((document, account.id), Arc::new(Answer { account, body }));
    }
}

impl CacheWeight for Answer {
    const ORDINARY: usize = 512;

    fn bytes(&self) -> usize {
        size_of::<(Self, Account)>() + self.account.email.len() + self.body.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> Arc<Account> {
        Arc::new(Account {
            id: AccountId::random(),
            email: format!("{name}@example.com"),
            username: name.to_owned(),
            profile_image_url: None,
            roles: vec!["user".to_owned()],
        })
    }

    #[test]
    fn an_account_that_has_changed_gets_no_old_answer_nor_another_documents() {
        let (answers, account, [document, other]) = (Answers::none(), account("john"), DocumentId::two());
        answers.remember(document, account.clone(), b"{}");
        assert_eq!(answers.find(document, &account).as_deref(), Some(b"{}".as_slice()));
        assert!(answers.find(other, &account).is_none());
        let changed: [fn(&mut Account); 5] = [
            |account| account.id = AccountId::random(),
            |account| account.email.push('x'),
            |account| account.username.push('x'),
            |account| account.profile_image_url = Some(String::new()),
            |account| account.roles.clear(),
        ];
        for change in changed {
            let mut now = account.clone();
            change(Arc::make_mut(&mut now));
            assert!(answers.find(document, &now).is_none(), "{now:?}");
        }
    }

    #[test]
    fn memory_is_bounded_and_an_answer_that_is_used_stays() {
        let (answers, used, [document, _]) = (Answers::none(), account("john"), DocumentId::two());
        answers.remember(document, used.clone(), b"{}");
        for number in 0..30_000 {
            assert!(answers.find(document, &used).is_some(), "after {number} others");
            answers.remember(document, account("jane"), &[b' '; 200]);
        }
        assert!(answers.0.bytes() <= MOST as u64);
    }
}
