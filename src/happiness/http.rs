//! The happiness report over HTTP: public, without a key, from memory.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::kept::Reports;
use super::page;
use super::snapshot::Snapshot;
use crate::i18n::{Locale, messages};
use crate::web::problem::ProblemBody;
use crate::web::{Problem, locale};

const CACHE: &str = "public, max-age=60, stale-while-revalidate=600";

/// The public report of a survey, as a page
#[utoipa::path(get, path = "/happiness/{slug}", tag = "Happiness",
    params(("slug" = String, Path, description = "The survey's slug"), ("lang" = Option<Locale>, Query, description = "The language of the page")),
    responses((status = 200, description = "The page", content_type = "text/html", body = String),
        (status = 404, description = "No such survey, or its report is not enabled", body = ProblemBody)))]
pub(crate) async fn report(reports: Data<Reports>, slug: Path<String>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let report = reports.find(&slug).await?.ok_or_else(not_found)?;
    let locale = locale::of_reader(&request, report.locale());
    let page = report.page(locale).ok_or_else(not_found)?;
    Ok(page.answer(&request, CACHE))
}

/// The public report of a survey, as JSON that any site may read
#[utoipa::path(get, path = "/happiness/{slug}.json", tag = "Happiness", params(("slug" = String, Path, description = "The survey's slug")),
    responses((status = 200, body = Snapshot), (status = 404, description = "No such survey, or its report is not enabled", body = ProblemBody)))]
pub(crate) async fn data(reports: Data<Reports>, slug: Path<String>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let report = reports.find(&slug).await?.ok_or_else(not_found)?;
    Ok(report.json().answer(&request, CACHE))
}

/// Every public report, as a page
#[utoipa::path(get, path = "/happiness", tag = "Happiness", params(("lang" = Option<Locale>, Query, description = "The language of the page")),
    responses((status = 200, description = "The page", content_type = "text/html", body = String)))]
pub(crate) async fn list(reports: Data<Reports>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let entries = reports.list().await?;
    let locale = locale::of_reader(&request, Locale::En);
    Ok(page::list(&entries, messages(locale)).answer(&request, CACHE))
}

fn not_found() -> Problem {
    Problem::not_found("public report")
}
