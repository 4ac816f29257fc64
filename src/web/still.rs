//! Documents that are the same for every reader: kept with a strong `ETag` and, for a page, a policy that allows its style by hash.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, EntityTag, Header, IfNoneMatch, REFERRER_POLICY, VARY,
};
use actix_web::{HttpRequest, HttpResponse, web};
use data_encoding::{BASE32_NOPAD, BASE64};
use sha2::{Digest, Sha256};

use super::layout::Frame;

/// A document as it is served.
#[derive(Debug, Clone)]
pub struct Still {
    body: web::Bytes,
    etag: EntityTag,
    /// The content security policy of a page; `None` for data.
    policy: Option<String>,
}

impl Still {
    /// A page without a script, drawn in this frame.
    #[must_use]
    pub fn page(frame: &Frame<'_>, html: String) -> Self {
        let style = BASE64.encode(&Sha256::digest(frame.style()));
        Self {
            policy: Some(format!(
                "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            )),
            ..Self::data(html)
        }
    }

    /// The same page, which may show parts of this site in frames.
    #[must_use]
    pub fn framing(mut self) -> Self {
        self.policy = self.policy.map(|policy| format!("{policy}; frame-src 'self'"));
        self
    }

    /// JSON that any other site may read.
    #[must_use]
    pub fn data(text: String) -> Self {
        let digest = Sha256::digest(&text);
        let short = digest.get(..16).unwrap_or_default();
        Self { etag: EntityTag::new_strong(BASE32_NOPAD.encode(short).to_ascii_lowercase()), body: web::Bytes::from(text), policy: None }
    }

    /// The document, or 304 where the reader has it already.
    #[must_use]
    pub fn answer(&self, request: &HttpRequest, cache_control: &'static str) -> HttpResponse {
        let is_known = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(held)) => held.iter().any(|held| held.weak_eq(&self.etag)),
            Err(_) => false,
        };
        let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
        response.insert_header(actix_web::http::header::ETag(self.etag.clone())).insert_header((CACHE_CONTROL, cache_control));
        match &self.policy {
            Some(policy) => response
                .insert_header((CONTENT_SECURITY_POLICY, policy.as_str()))
                .insert_header((REFERRER_POLICY, "no-referrer"))
                .insert_header((VARY, "Accept-Language"))
                .insert_header(ContentType::html()),
            None => response.insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*")).insert_header(ContentType::json()),
        };
        if is_known { response.finish() } else { response.body(self.body.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::http::header::{ETAG, IF_NONE_MATCH};
    use actix_web::test::TestRequest;

    use super::*;
    use crate::i18n::Locale;

    fn status(still: &Still, held: &str) -> StatusCode {
        let request = TestRequest::default().insert_header((IF_NONE_MATCH, held)).to_http_request();
        still.answer(&request, "no-cache").status()
    }

    #[test]
    fn what_a_reader_has_is_not_sent_again() {
        let still = Still::data("{}".to_owned());
        let answer = still.answer(&TestRequest::default().to_http_request(), "no-cache");
        let etag = answer.headers().get(ETAG).unwrap().to_str().unwrap().to_owned();
        assert!(answer.status() == StatusCode::OK && etag.starts_with('"'), "{etag}");
        for (held, expected) in [
            (etag.clone(), StatusCode::NOT_MODIFIED),
            (format!("\"other\", {etag}"), StatusCode::NOT_MODIFIED),
            (format!("W/{etag}"), StatusCode::NOT_MODIFIED),
            ("*".to_owned(), StatusCode::NOT_MODIFIED),
            ("\"other\"".to_owned(), StatusCode::OK),
        ] {
            assert_eq!(status(&still, &held), expected, "{held}");
        }
        assert_eq!(status(&Still::data("[]".to_owned()), &etag), StatusCode::OK);
    }

    #[test]
    fn a_page_allows_its_own_style_and_nothing_else() {
        let frame = Frame::plain(Locale::En, "A page", "");
        let answer = Still::page(&frame, String::new()).answer(&TestRequest::default().to_http_request(), "no-cache");
        let policy = answer.headers().get(CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
        let hash = BASE64.encode(&Sha256::digest(frame.style()));
        assert!(policy.starts_with("default-src 'none'") && policy.contains(&hash) && !policy.contains("unsafe"), "{policy}");
    }
}
