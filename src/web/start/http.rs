//! The start page over HTTP.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::{View, page};
use crate::i18n::{Locale, messages};
use crate::web::{Context, locale};

/// What is running, and the first steps
#[utoipa::path(get, path = "/", tag = "Operations", params(("lang" = Option<Locale>, Query, description = "The language of the page")),
    responses((status = 200, description = "The page", content_type = "text/html", body = String)))]
pub(crate) async fn start(context: Data<Context>, request: HttpRequest) -> HttpResponse {
    let view = View {
        version: env!("CARGO_PKG_VERSION"),
        engine: context.db.engine(),
        public_url: &context.public_url,
        program: &context.program,
        mail_goes_to: &context.mail_goes_to,
        has_mailbox: context.mail_folder.is_some(),
    };
    let locale = locale::of_reader(&request, Locale::En);
    page::start(&view, messages(locale)).answer(&request, "no-cache")
}
