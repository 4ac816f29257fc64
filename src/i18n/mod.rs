//! Typed messages, numbers and dates in English, Persian and Arabic.

use crate::db::text_enum;

text_enum! {
    /// A language that nabz speaks.
    pub enum Locale {
        /// English.
        En = "en",
        /// Persian.
        Fa = "fa",
        /// Arabic.
        Ar = "ar",
    }
}
