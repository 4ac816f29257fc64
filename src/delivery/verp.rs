//! The address that reports about one message go to (variable envelope return path): it names the invitation, signed. Pure.
//!
//! `bounce+TOKEN@DOMAIN`, 60 characters before the `@` of the 64 that RFC 5321 section 4.5.3.1.1 allows.

use crate::invitation::InvitationId;
use crate::link::{Links, Purpose};

/// What the local part begins with.
const MARK: &str = "bounce+";

/// The envelope sender of every message of an invitation: `bounce+TOKEN@domain`.
#[must_use]
pub fn address(links: &Links, id: InvitationId, domain: &str) -> String {
    format!("{MARK}{}@{domain}", links.token(Purpose::Bounce, id.0))
}

/// The invitation that such an address names, in any case, with or without angle brackets and at whatever domain; `None` for an address that was not
/// written here.
#[must_use]
pub fn read(links: &Links, address: &str) -> Option<InvitationId> {
    let address = address.trim().trim_start_matches('<').trim_end_matches('>');
    let (local, domain) = address.rsplit_once('@')?;
    let (mark, token) = local.split_at_checked(MARK.len())?;
    let is_whole = mark.eq_ignore_ascii_case(MARK) && !domain.is_empty();
    links.open(Purpose::Bounce, token).filter(|_| is_whole).map(InvitationId)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::keyring::Keyring;

    fn links() -> Links {
        Links::new(&Keyring::parse("1 0101010101010101010101010101010101010101010101010101010101010101").unwrap())
    }

    #[test]
    fn only_the_address_of_a_message_names_an_invitation() {
        let (links, id) = (links(), InvitationId(Uuid::from_u128(7)));
        let vote = links.token(Purpose::Vote, id.0);
        let token = links.token(Purpose::Bounce, id.0);
        for other in [
            format!("bounce+{vote}@bounce.acme.example"),
            format!("{token}@bounce.acme.example"),
            format!("sender+{token}@bounce.acme.example"),
            format!("bounce+{token}"),
            format!("bounce+{token}@"),
            format!("bounce+{token}x@bounce.acme.example"),
            "bounce+@bounce.acme.example".to_owned(),
            "survey@acme.example".to_owned(),
            "é".to_owned(),
            String::new(),
        ] {
            assert_eq!(read(&links, &other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn an_address_fits_in_mail_and_survives_brackets_and_folded_case(id: u128) {
            let (links, id) = (links(), InvitationId(Uuid::from_u128(id)));
            let address = address(&links, id, "bounce.acme.example");
            prop_assert!(address.split('@').next().is_some_and(|local| local.len() <= 64));
            for seen in [address.clone(), format!("<{address}>"), address.to_ascii_uppercase(), format!(" <{}>\r\n", address.to_ascii_uppercase())] {
                prop_assert_eq!(read(&links, &seen), Some(id), "{}", seen);
            }
        }

        #[test]
        fn any_text_is_answered(text in ".{0,100}") {
            prop_assert_eq!(read(&links(), &text), None);
        }
    }
}
