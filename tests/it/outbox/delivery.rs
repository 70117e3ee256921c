//! Workers: what they deliver, and what is left of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_gateway::domain::outbox::Message;
use auth_gateway::service::{Delivery, DeliveryError, OutboxWorker};

use crate::harness::eventually;
use crate::outbox::fixture::{message_at, on_each_database};

on_each_database! {
    async fn two_workers_deliver_each_of_200_messages_exactly_once(fixture: &OutboxFixture) {
        let other = fixture.another_outbox().await;
        let workers = [&fixture.outbox, &other].map(|outbox| tokio::spawn(fixture.worker_over(outbox).run()));
        let mut messages = Vec::new();
        for number in 0..200 {
            let message = message_at(fixture.now());
            let outbox = if number % 2 == 0 { &fixture.outbox } else { &other };
            outbox.enqueue(&message).await.unwrap();
            messages.push(message.id);
        }
        let delivered = async || (fixture.count("delivered_at IS NOT NULL").await == 200).then_some(());
        eventually("all messages are delivered", delivered).await;
        for worker in workers {
            worker.abort();
        }
        let deliveries = fixture.delivery.deliveries();
        assert_eq!(deliveries.len(), 200);
        assert!(messages.iter().all(|id| deliveries[id] == 1), "{deliveries:?}");
    }

    async fn contents_are_deleted_with_the_delivery(fixture: &OutboxFixture) {
        fixture.enqueue().await;
        assert_eq!(fixture.count("sealed_contents IS NOT NULL").await, 1);
        assert_eq!(fixture.worker().deliver_due().await.unwrap(), 1);
        assert_eq!(fixture.count("sealed_contents IS NULL AND delivered_at IS NOT NULL").await, 1);
        assert_eq!(fixture.worker().deliver_due().await.unwrap(), 0);
        assert_eq!(fixture.outbox.oldest_pending().await.unwrap(), None);
    }

    async fn a_message_wakes_the_worker_of_its_node(fixture: &OutboxFixture) {
        let never_polls = fixture.worker_over(&fixture.outbox).with_poll_interval(Duration::from_hours(1));
        let worker = tokio::spawn(never_polls.run());
        for number in 1..=3 {
            fixture.enqueue().await;
            let delivered = async || (fixture.count("delivered_at IS NOT NULL").await == number).then_some(());
            eventually("the message is delivered", delivered).await;
        }
        worker.abort();
    }

    async fn a_message_of_another_node_is_found_by_polling(fixture: &OutboxFixture) {
        let worker = tokio::spawn(fixture.worker_over(&fixture.another_outbox().await).run());
        let message = fixture.enqueue().await;
        let delivered = async || fixture.delivery.deliveries().contains_key(&message.id).then_some(());
        eventually("the message is delivered", async || {
            tokio::task::yield_now().await;
            delivered().await
        }).await;
        worker.abort();
    }

    async fn a_delivery_that_hangs_is_stopped_and_tried_again(fixture: &OutboxFixture) {
        fixture.enqueue().await;
        let hanging = OutboxWorker::new(fixture.outbox.clone(), Arc::new(HangingDelivery), fixture.clock.clone());
        let hanging = Arc::new(hanging.with_delivery_timeout(Duration::from_millis(20)));
        assert_eq!(hanging.deliver_due().await.unwrap(), 1);
        assert_eq!(fixture.count("last_error = 'the delivery took too long'").await, 1);
        fixture.clock.advance(Duration::from_secs(4));
        assert_eq!(fixture.worker().deliver_due().await.unwrap(), 1);
        assert_eq!(fixture.count("delivered_at IS NOT NULL").await, 1);
    }

    async fn a_delivery_that_panics_is_tried_again(fixture: &OutboxFixture) {
        fixture.enqueue().await;
        let panicking = OutboxWorker::new(fixture.outbox.clone(), Arc::new(PanickingDelivery), fixture.clock.clone());
        assert_eq!(Arc::new(panicking).deliver_due().await.unwrap(), 1);
        assert_eq!(fixture.count("last_error = 'the delivery panicked'").await, 1);
        fixture.clock.advance(Duration::from_secs(4));
        assert_eq!(fixture.worker().deliver_due().await.unwrap(), 1);
        assert_eq!(fixture.count("delivered_at IS NOT NULL").await, 1);
    }

    async fn a_delivery_is_recorded_after_a_short_outage(fixture: &OutboxFixture) {
        let message = fixture.enqueue().await;
        let (worker, stores) = (fixture.worker(), &fixture.stores);
        let gate = fixture.delivery.hold();
        let delivering = tokio::spawn(async move { worker.deliver_due().await.unwrap() });
        let begun = async || fixture.delivery.deliveries().contains_key(&message.id).then_some(());
        eventually("the delivery has begun", async || {
            tokio::task::yield_now().await;
            begun().await
        }).await;
        stores.execute("ALTER TABLE outbox RENAME TO outbox_during_outage").await;
        drop(gate);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        stores.execute("ALTER TABLE outbox_during_outage RENAME TO outbox").await;
        assert_eq!(delivering.await.unwrap(), 1);
        assert_eq!(fixture.count("delivered_at IS NOT NULL").await, 1);
        fixture.clock.advance(Duration::from_hours(1));
        assert_eq!(fixture.worker().deliver_due().await.unwrap(), 0);
        assert_eq!(fixture.delivery.deliveries()[&message.id], 1);
    }

    async fn old_messages_are_deleted_also_if_no_worker_has_seen_them(fixture: &OutboxFixture) {
        fixture.enqueue().await;
        assert_eq!(fixture.worker().deliver_due().await.unwrap(), 1);
        let week = Duration::from_hours(7 * 24);
        fixture.clock.advance(week);
        assert_eq!(fixture.outbox.sweep(fixture.now()).await.unwrap(), 0);
        let forgotten = message_at(fixture.now().minus(week * 2));
        fixture.outbox.enqueue(&forgotten).await.unwrap();
        fixture.enqueue().await;
        fixture.clock.advance(Duration::from_millis(1));
        assert_eq!(fixture.outbox.sweep(fixture.now()).await.unwrap(), 2);
        assert_eq!(fixture.count("delivered_at IS NULL").await, 1, "a new message waits");
    }
}

struct PanickingDelivery;

#[async_trait]
impl Delivery for PanickingDelivery {
    async fn deliver(&self, _message: &Message) -> Result<(), DeliveryError> {
        panic!("as a library may");
    }
}

struct HangingDelivery;

#[async_trait]
impl Delivery for HangingDelivery {
    async fn deliver(&self, _message: &Message) -> Result<(), DeliveryError> {
        std::future::pending().await
    }
}
