//! The language of a page: `?lang`, then what the browser likes best, then the page's own.

use actix_web::HttpRequest;
use actix_web::http::header::ACCEPT_LANGUAGE;

use crate::i18n::{self, Locale};

/// The language that a reader wants; `usual` where neither address nor browser names one of ours. An answer that depends on it says
/// `Vary: Accept-Language`.
#[must_use]
pub fn of_reader(request: &HttpRequest, usual: Locale) -> Locale {
    let asked = request.query_string().split('&').find_map(|pair| pair.strip_prefix("lang="));
    let liked = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    asked.and_then(Locale::from_tag).or_else(|| liked.and_then(i18n::negotiate)).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_address_decides_before_the_browser_and_the_browser_before_the_page() {
        for (address, browser, language) in [
            ("/?lang=fa", "ar", Locale::Fa),
            ("/?a=b&lang=ar-EG", "fa", Locale::Ar),
            ("/?lang=de", "fa;q=0.9", Locale::Fa),
            ("/?language=fa", "de", Locale::En),
            ("/", "", Locale::En),
        ] {
            let request = TestRequest::with_uri(address).insert_header((ACCEPT_LANGUAGE, browser)).to_http_request();
            assert_eq!(of_reader(&request, Locale::En), language, "{address} {browser}");
        }
    }
}
