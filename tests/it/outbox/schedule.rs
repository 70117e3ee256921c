//! When a message is tried again, and when it is given up.

use std::time::Duration;

use auth_gateway::domain::outbox::UndeliveredMessage;
use auth_gateway::service::DeliveryError;

use crate::outbox::fixture::{message_at, on_each_database};

const MILLISECOND: Duration = Duration::from_millis(1);

fn transient() -> DeliveryError {
    DeliveryError::Transient("451 try again later".to_owned())
}

on_each_database! {
    async fn a_failed_delivery_is_repeated_with_growing_pauses(fixture: &OutboxFixture) {
        let message = fixture.enqueue().await;
        fixture.delivery.fail_with(Some(transient()));
        let worker = fixture.worker();
        assert_eq!(worker.deliver_due().await.unwrap(), 1);
        for seconds in [4, 8, 16, 32, 64, 128, 256, 512, 600, 600] {
            fixture.clock.advance(Duration::from_secs(seconds).saturating_sub(MILLISECOND));
            assert_eq!(worker.deliver_due().await.unwrap(), 0, "before {seconds} s");
            fixture.clock.advance(MILLISECOND);
            assert_eq!(worker.deliver_due().await.unwrap(), 1, "after {seconds} s");
        }
        fixture.delivery.fail_with(None);
        fixture.clock.advance(Duration::from_mins(10));
        assert_eq!(worker.deliver_due().await.unwrap(), 1);
        assert_eq!(fixture.delivery.deliveries()[&message.id], 12);
        assert_eq!(fixture.count("delivered_at IS NOT NULL").await, 1);
        assert!(fixture.delivery.undelivered().is_empty());
    }

    async fn a_permanent_failure_is_tried_once(fixture: &OutboxFixture) {
        let message = fixture.enqueue().await;
        fixture.delivery.fail_with(Some(DeliveryError::Permanent("550 no such mailbox".to_owned())));
        let worker = fixture.worker();
        for _ in 0..3 {
            worker.deliver_due().await.unwrap();
            fixture.clock.advance(Duration::from_hours(1));
        }
        assert_eq!(fixture.delivery.deliveries()[&message.id], 1);
        let expected = UndeliveredMessage {
            id: message.id,
            kind: "test".to_owned(),
            account: message.account,
            attempts: 1,
            last_error: Some("550 no such mailbox".to_owned()),
        };
        assert_eq!(fixture.delivery.undelivered(), [expected]);
        assert_eq!(fixture.count("failed_at IS NOT NULL AND sealed_contents IS NULL").await, 1);
    }

    async fn a_message_is_given_up_after_a_day(fixture: &OutboxFixture) {
        let message = fixture.enqueue().await;
        let expires_at = message.created_at.plus(Duration::from_hours(24));
        fixture.delivery.fail_with(Some(transient()));
        let worker = fixture.worker();
        while fixture.now() < expires_at {
            worker.deliver_due().await.unwrap();
            assert!(fixture.delivery.undelivered().is_empty());
            fixture.clock.advance(expires_at.since(fixture.now()).min(Duration::from_mins(10)));
        }
        fixture.delivery.fail_with(None);
        assert_eq!(worker.deliver_due().await.unwrap(), 0);
        fixture.clock.advance(Duration::from_hours(1));
        assert_eq!(worker.deliver_due().await.unwrap(), 0);
        let undelivered = fixture.delivery.undelivered();
        assert_eq!(undelivered.len(), 1, "it is reported once");
        assert_eq!(undelivered[0].last_error.as_deref(), Some("451 try again later"));
        assert_eq!(undelivered[0].attempts, fixture.delivery.deliveries()[&message.id]);
        assert_eq!(fixture.count("failed_at IS NOT NULL AND sealed_contents IS NULL").await, 1);
    }

    async fn a_message_is_not_delivered_once_it_is_useless(fixture: &OutboxFixture) {
        let minute = Duration::from_mins(1);
        let mut message = message_at(fixture.now());
        message.useless_at = fixture.now().plus(minute);
        fixture.outbox.enqueue(&message).await.unwrap();
        fixture.clock.advance(minute);
        assert_eq!(fixture.worker().deliver_due().await.unwrap(), 0);
        assert!(fixture.delivery.deliveries().is_empty());
        assert_eq!(fixture.delivery.undelivered().len(), 1);
    }

    async fn expired_messages_are_given_up_in_batches(fixture: &OutboxFixture) {
        for _ in 0..101 {
            fixture.enqueue().await;
        }
        fixture.clock.advance(Duration::from_hours(24));
        for expected in [100, 1, 0] {
            assert_eq!(fixture.outbox.give_up_expired(fixture.now()).await.unwrap().len(), expected);
        }
    }

    async fn due_messages_are_delivered_while_expired_ones_cannot_be_given_up(fixture: &OutboxFixture) {
        fixture.enqueue().await;
        fixture.clock.advance(Duration::from_hours(24));
        let due = fixture.enqueue().await;
        let refuse = if fixture.stores.database_url.starts_with("sqlite") {
            "CREATE TRIGGER refuse BEFORE UPDATE OF failed_at ON outbox BEGIN SELECT RAISE(ABORT, 'refused'); END"
        } else {
            "ALTER TABLE outbox ADD CHECK (failed_at IS NULL)"
        };
        fixture.stores.execute(refuse).await;
        assert!(fixture.outbox.give_up_expired(fixture.now()).await.is_err());
        assert_eq!(fixture.worker().deliver_due().await.unwrap(), 1);
        assert_eq!(fixture.delivery.deliveries()[&due.id], 1);
    }

    async fn a_message_that_is_being_delivered_is_not_given_up(fixture: &OutboxFixture) {
        let mut message = message_at(fixture.now());
        message.useless_at = fixture.now().plus(Duration::from_secs(10));
        fixture.outbox.enqueue(&message).await.unwrap();
        let claimed = fixture.claim(1).await.remove(0);
        fixture.clock.advance(Duration::from_secs(20));
        assert!(fixture.outbox.give_up_expired(fixture.now()).await.unwrap().is_empty());
        fixture.outbox.record_delivery(&claimed, fixture.now()).await.unwrap();
        assert_eq!(fixture.count("delivered_at IS NOT NULL AND failed_at IS NULL").await, 1);
    }
}
