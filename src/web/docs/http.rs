//! The readable API over HTTP.

use std::sync::OnceLock;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::page;
use crate::web::operations::Describe;
use crate::web::still::Still;

/// This API as a page
#[utoipa::path(get, path = "/docs", tag = "Operations", responses((status = 200, description = "The page", content_type = "text/html", body = String)))]
pub(crate) async fn docs(describe: Data<Describe>, request: HttpRequest) -> HttpResponse {
    // the document is the same for the life of the process
    static PAGE: OnceLock<Still> = OnceLock::new();
    let page = PAGE.get_or_init(|| Still::page(&page::frame(), page::docs(&describe()).into_string()));
    page.answer(&request, "no-cache")
}
