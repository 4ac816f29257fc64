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
    survey.deliver.iter().filter(|channel| has_address(survey, channel, customer)).take(most).cloned().collect()
}

/// Whether a customer can be reached by a channel. A webhook leaves that to whoever receives it.
#[must_use]
pub fn has_address(survey: &Survey, channel: &Channel, customer: &Customer) -> bool {
    lacking(survey, channel, customer).is_none()
}

/// Why a customer cannot be reached by a channel, if that is so.
fn lacking(survey: &Survey, channel: &Channel, customer: &Customer) -> Option<&'static str> {
    match channel {
        Channel::Email => customer.email.is_none().then_some("needs a mail address"),
        Channel::Webhook => None,
        Channel::Gateway(name) => match survey.gateways.get(name) {
            Some(dial) => dial.lacks(customer.email.as_deref(), customer.phone.as_deref(), customer.reference.as_deref()),
            None => Some("is no gateway any more"),
        },
    }
}

/// What every channel of a survey lacks to reach a customer, where none can: `sms needs a phone number, email needs a mail address`.
#[must_use]
pub fn missing(survey: &Survey, customer: &Customer) -> Option<String> {
    let whys = survey.deliver.iter().map(|channel| lacking(survey, channel, customer).map(|why| format!("{channel} {why}")));
    whys.collect::<Option<Vec<_>>>().filter(|whys| !whys.is_empty()).map(|whys| whys.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Address, Dial, country};
    use crate::metric::Metric;
    use crate::survey::wording::tests::survey;

    fn texting() -> Survey {
        let mut survey = survey(Metric::Csat, None);
        survey.deliver = vec![Channel::Gateway("sms".to_owned()), Channel::Email];
        survey.gateways.insert("sms".to_owned(), Dial { address: Address::Phone, country: country::find("IR") });
        survey
    }

    fn chosen(mode: DeliverMode, email: bool, phone: bool) -> Vec<String> {
        let survey = Survey { deliver_mode: mode, ..texting() };
        let customer = Customer {
            email: email.then(|| "sara@example.com".to_owned()),
            phone: phone.then(|| "0912 123 4567".to_owned()),
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

    #[test]
    fn what_is_missing_is_told_channel_by_channel() {
        let told = |survey: &Survey, phone: Option<&str>, reference: Option<&str>| {
            let [phone, reference] = [phone, reference].map(|text| text.map(ToOwned::to_owned));
            missing(survey, &Customer { phone, reference, ..Customer::default() })
        };
        let mut survey = texting();
        assert_eq!(told(&survey, None, None).as_deref(), Some("sms needs a phone number, email needs a mail address"));
        assert_eq!(told(&survey, Some("12"), None).as_deref(), Some("sms cannot read the phone number, email needs a mail address"));
        assert_eq!(told(&survey, Some("09121234567"), None), None);
        survey.gateways.insert("sms".to_owned(), Dial { address: Address::Ref, country: None });
        assert_eq!(told(&survey, Some("09121234567"), None).as_deref(), Some("sms needs customer.ref, email needs a mail address"));
        assert_eq!(told(&survey, None, Some("c-9")), None);
        survey.gateways.insert("sms".to_owned(), Dial { address: Address::None, country: None });
        assert_eq!(told(&survey, None, None).as_deref(), Some("sms needs to know the customer, email needs a mail address"));
        assert_eq!(told(&survey, None, Some("c-9")), None);
        survey.gateways.clear();
        assert_eq!(told(&survey, Some("09121234567"), None).as_deref(), Some("sms is no gateway any more, email needs a mail address"));
        survey.deliver.clear();
        assert_eq!(told(&survey, None, None), None, "the caller sends the link");
    }
}
