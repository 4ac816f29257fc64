//! `FreeScout` with its API and webhooks module, which imitates Help Scout. Pure.

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use serde_json::Value;

use super::reading::{Unreadable, each};
use super::verify::{Refusal, fits_base64, sha1};
use super::{Delivery, Event, Proof, help_scout};

/// Believes a delivery whose signature fits: base64 of HMAC-SHA1 over the body.
///
/// # Errors
/// Says why the delivery is not believed.
pub fn verify(delivery: &Delivery<'_>) -> Result<Proof, Refusal> {
    fits_base64(sha1(&key(delivery.secret), &[delivery.body]), delivery.needed("x-freescout-signature")?)?;
    Ok(Proof::default())
}

/// The module signs with a key that it makes from the installation's `APP_KEY`; an admin may give us either of the two.
fn key(secret: &str) -> String {
    if secret.starts_with("base64:") { HEXLOWER.encode(&Md5::digest(format!("{secret}webhook_key"))) } else { secret.to_owned() }
}

/// A conversation, as it is after its status changed.
///
/// # Errors
/// When it has no id.
pub fn read(body: &Value) -> Result<Event, Unreadable> {
    help_scout::conversation(body, "/customer", each(body, "/_embedded/tags", "name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_of_the_app_key_where_that_is_what_we_know() {
        assert_eq!(key("base64:dGVzdC1hcHAta2V5LTAxMjM0NTY3ODkwMTIzNDU="), "f80aa9d72e396ac3b6db328a4a144228");
        assert_eq!(key("f80aa9d72e396ac3b6db328a4a144228"), "f80aa9d72e396ac3b6db328a4a144228");
    }
}
