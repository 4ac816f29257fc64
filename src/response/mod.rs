//! The answer: who may vote, what counts, and how it gets to disk.

pub mod count;
pub mod http;
pub mod human;
pub mod import;
pub mod list;
pub mod lookup;
pub mod page;
pub mod recorder;
pub mod rendered;
pub mod row;
pub mod store;
pub mod told;

use crate::db::{id, text_enum};
use crate::survey::Channel;

id! {
    /// The id of a response.
    ResponseId
}

text_enum! {
    /// The way an answer came.
    pub enum Via {
        /// By a link in our mail, where that is how the customer is first asked.
        Email = "email",
        /// By a link that came another way: by a gateway, or passed on by the caller.
        Page = "page",
        /// By the API, from where it was given.
        Api = "api",
        /// By a file of past answers.
        Import = "import",
    }
}

impl Via {
    /// The way an answer comes whose customer was asked by a channel; by none where the caller passed the link on.
    #[must_use]
    pub fn of_channel(channel: Option<&str>) -> Self {
        match channel.and_then(|word| word.parse().ok()) {
            Some(Channel::Email) => Self::Email,
            Some(Channel::Webhook | Channel::Gateway(_)) | None => Self::Page,
        }
    }
}

text_enum! {
    /// How far the team has got with an answer.
    pub enum Status {
        /// Nobody has looked at it.
        New = "new",
        /// The customer was contacted.
        Contacted = "contacted",
        /// There is nothing more to do.
        Closed = "closed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_asked_by_mail_answers_by_mail() {
        for (channel, via) in [(Some("email"), Via::Email), (Some("webhook"), Via::Page), (Some("sms"), Via::Page), (None, Via::Page)] {
            assert_eq!(Via::of_channel(channel), via, "{channel:?}");
        }
    }
}
