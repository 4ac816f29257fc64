//! Zendesk triggers: the admin pastes a body of our own shape, Zendesk signs timestamp and body. Pure.

use super::verify::{self, Refusal};
use super::{Delivery, Proof};

/// Believes a delivery whose signature fits. Zendesk does not promise an id that stays the same when it delivers again,
/// so a repetition is told by the ticket and the instant of its closing.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    let timestamp = delivery.header("x-zendesk-webhook-signature-timestamp");
    let signature = delivery.header("x-zendesk-webhook-signature");
    verify::zendesk(delivery.secret, timestamp, signature, delivery.body, delivery.now)?;
    Ok(Proof { delivery_key: None })
}
