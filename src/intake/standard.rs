//! Programs that send Standard Webhooks with a body of our own shape. Pure.

use super::verify::{self, Refusal, StandardHeaders};
use super::{Delivery, Proof};

/// Believes a delivery whose signature fits; its `webhook-id` tells a repetition.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    let headers = StandardHeaders {
        id: delivery.header("webhook-id"),
        timestamp: delivery.header("webhook-timestamp"),
        signature: delivery.header("webhook-signature"),
    };
    let id = verify::standard(delivery.secret, headers, delivery.body, delivery.now)?;
    Ok(Proof { delivery_key: Some(id.to_owned()) })
}
