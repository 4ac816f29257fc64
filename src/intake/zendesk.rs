//! Zendesk triggers: the admin pastes a body of our own shape, Zendesk signs timestamp and body. Pure.

use super::verify::{self, Refusal};
use super::{Delivery, Proof};

/// What the builder of webhooks signs with when an admin presses "Test webhook", before there is a secret. Everybody knows it.
const TEST_SECRET: &str = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==";

/// Believes a delivery whose signature fits. Zendesk does not promise an id that stays the same when it delivers again,
/// so a repetition is told by the ticket and the instant of its closing.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    check(delivery.secret, delivery)?;
    Ok(Proof { delivery_key: None })
}

/// Whether this is the builder's test: it is answered as if all were well, and nothing of it is kept.
#[must_use]
pub fn is_test(delivery: &Delivery<'_>) -> bool {
    check(TEST_SECRET, delivery).is_ok()
}

fn check(secret: &str, delivery: &Delivery<'_>) -> Result<(), Refusal> {
    let timestamp = delivery.header("x-zendesk-webhook-signature-timestamp");
    let signature = delivery.header("x-zendesk-webhook-signature");
    verify::zendesk(secret, timestamp, signature, delivery.body, delivery.now)
}
