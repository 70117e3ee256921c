//! Claims: exclusive while their lease holds, on every node.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;

use crate::outbox::fixture::{LEASE, message_at, on_each_database, outbox_at};

const MILLISECOND: Duration = Duration::from_millis(1);

on_each_database! {
    async fn a_claim_is_exclusive_while_its_lease_holds(fixture: &OutboxFixture) {
        let message = fixture.enqueue().await;
        let first = fixture.claim(10).await;
        assert_eq!((first.len(), first[0].id, first[0].attempts), (1, message.id, 1));
        assert_eq!(first[0].account, message.account);
        let other = fixture.another_outbox().await;
        assert!(other.claim(fixture.now(), LEASE, 10).await.unwrap().is_empty());
        fixture.clock.advance(LEASE.saturating_sub(MILLISECOND));
        assert!(other.claim(fixture.now(), LEASE, 10).await.unwrap().is_empty());
        fixture.clock.advance(MILLISECOND);
        let second = other.claim(fixture.now(), LEASE, 10).await.unwrap();
        assert_eq!((second.len(), second[0].attempts), (1, 2));
    }

    async fn a_claim_that_has_lapsed_changes_nothing(fixture: &OutboxFixture) {
        fixture.enqueue().await;
        let lapsed = fixture.claim(1).await.remove(0);
        fixture.clock.advance(LEASE);
        assert_eq!(fixture.claim(1).await.len(), 1);
        fixture.outbox.record_failure(&lapsed, "late", fixture.now()).await.unwrap();
        assert!(fixture.claim(1).await.is_empty(), "the second claim still holds");
        assert_eq!(fixture.outbox.give_up(&lapsed, "late", fixture.now()).await.unwrap(), None);
        assert_eq!(fixture.count("delivered_at IS NULL AND failed_at IS NULL AND last_error IS NULL").await, 1);
    }

    async fn parallel_claims_never_return_the_same_message(fixture: &OutboxFixture) {
        for _ in 0..60 {
            fixture.enqueue().await;
        }
        let outboxes = [fixture.outbox.clone(), fixture.another_outbox().await];
        let (now, mut claimed) = (fixture.now(), Vec::new());
        for _ in 0..4 {
            let claims = (0..8).map(|number: usize| {
                let outbox = outboxes[number % 2].clone();
                tokio::spawn(async move { outbox.claim(now, LEASE, 3).await.unwrap() })
            });
            for claim in join_all(claims).await {
                let claim = claim.unwrap();
                assert!(claim.len() <= 3, "more than the limit: {}", claim.len());
                claimed.extend(claim.into_iter().map(|message| message.id));
            }
        }
        let different: HashSet<_> = claimed.iter().collect();
        assert_eq!((claimed.len(), different.len()), (60, 60));
    }

    async fn the_message_that_waited_longest_is_claimed_first(fixture: &OutboxFixture) {
        let mut messages = Vec::new();
        for seconds in [30, 10, 20] {
            let message = message_at(fixture.now().minus(Duration::from_secs(seconds)));
            fixture.outbox.enqueue(&message).await.unwrap();
            messages.push(message.id);
        }
        for expected in [messages[0], messages[2], messages[1]] {
            assert_eq!(fixture.claim(1).await[0].id, expected);
        }
    }

    async fn contents_are_not_readable_and_wait_for_their_secret(fixture: &OutboxFixture) {
        let message = fixture.enqueue().await;
        let plain = "INSTR(CAST(sealed_contents AS TEXT), 'jane') > 0";
        let plain = if fixture.stores.database_url.starts_with("sqlite") {
            plain
        } else {
            "POSITION('jane'::bytea IN sealed_contents) > 0"
        };
        assert_eq!(fixture.count(plain).await, 0);
        assert_eq!(fixture.count("LENGTH(sealed_contents) > 24").await, 1, "the search sees what is stored");
        let stranger = outbox_at(&fixture.stores.database_url, 8).await;
        assert!(stranger.claim(fixture.now(), LEASE, 1).await.unwrap().is_empty());
        fixture.clock.advance(LEASE);
        assert_eq!(fixture.claim(1).await[0].id, message.id);
    }
}
