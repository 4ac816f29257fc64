//! The readable API over HTTP.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use utoipa::openapi::OpenApi;

use super::page;
use crate::web::still::Still;

/// This API as a page
#[utoipa::path(get, path = "/docs", tag = "Operations", responses((status = 200, description = "The page", content_type = "text/html", body = String)))]
pub(crate) async fn docs(document: Data<Arc<OpenApi>>, request: HttpRequest) -> HttpResponse {
    let page = page::docs(document.as_ref().as_ref()).into_string();
    Still::page(&page::frame(), page).answer(&request, "no-cache")
}
