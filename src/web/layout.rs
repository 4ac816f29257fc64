//! temporary
use crate::i18n::Locale;
/// t
pub fn plain(r: &mut actix_web::HttpResponseBuilder, body: String) -> actix_web::HttpResponse {
    r.body(body)
}
/// t
#[must_use]
pub fn problem(status: u16, _t: &str, _m: &str, _l: Locale) -> String {
    status.to_string()
}
