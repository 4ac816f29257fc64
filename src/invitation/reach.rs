//! By which channels a customer can be asked. Pure.

use crate::intake::Customer;
use crate::survey::{Channel, DeliverMode, Survey};

/// The channels of a survey that a customer is asked by, in the survey's order: the first whose address the customer has, or all of those.
#[must_use]
pub fn channels(survey: &Survey, customer: &Customer) -> Vec<Channel> {
    let most = match survey.deliver_mode {
        DeliverMode::First => 1,
        DeliverMode::All => usize::MAX,
    };
    survey.deliver.iter().filter(|channel| has_address(channel, customer)).take(most).cloned().collect()
}

/// Whether a customer can be reached by a channel. A webhook leaves that to whoever receives it.
#[must_use]
pub const fn has_address(channel: &Channel, customer: &Customer) -> bool {
    match channel {
        Channel::Email => customer.email.is_some(),
        Channel::Webhook => true,
        Channel::Gateway(_) => customer.phone.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::survey::wording::tests::survey;

    fn chosen(mode: DeliverMode, email: bool, phone: bool) -> Vec<String> {
        let mut survey = survey(Metric::Csat, None);
        survey.deliver = vec![Channel::Gateway("sms".to_owned()), Channel::Email];
        survey.deliver_mode = mode;
        let customer = Customer {
            email: email.then(|| "sara@example.com".to_owned()),
            phone: phone.then(|| "+98912".to_owned()),
            ..Customer::default()
        };
        channels(&survey, &customer).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_first_channel_whose_address_is_known_is_taken_or_all_of_them() {
        assert_eq!(chosen(DeliverMode::First, true, true), ["sms"]);
        assert_eq!(chosen(DeliverMode::First, true, false), ["email"]);
        assert_eq!(chosen(DeliverMode::All, true, true), ["sms", "email"]);
        assert_eq!(chosen(DeliverMode::All, false, true), ["sms"]);
        assert!(chosen(DeliverMode::All, false, false).is_empty());
    }

    #[test]
    fn a_webhook_needs_no_address() {
        let mut survey = survey(Metric::Csat, None);
        survey.deliver = vec![Channel::Email, Channel::Webhook];
        assert_eq!(channels(&survey, &Customer::default()), [Channel::Webhook]);
    }
}
