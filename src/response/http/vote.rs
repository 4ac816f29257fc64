//! The survey page: opening it records nothing that counts, sending it does.

use std::sync::Arc;

use actix_web::http::header::RETRY_AFTER;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::{TRY_AGAIN_S, csp_nonce, filled, language, markup, refused};
use crate::clock::Timestamp;
use crate::i18n::{Locale, ascii_digits, messages};
use crate::invitation::InvitationId;
use crate::link::{Links, Purpose};
use crate::response::count::{self, Effect, Vote};
use crate::response::human::{self, Signs};
use crate::response::lookup::Lookup;
use crate::response::page::{COMMENT_LIMIT, ConfirmView, Notice, Refusal, SurveyView, confirm, survey};
use crate::response::recorder::Recorder;
use crate::response::rendered::{Fill, Pages, Sheet};
use crate::survey::{Survey, Surveys};
use crate::web::Context;
use crate::web::problem::{Kind, Problem};

/// What the survey page works with.
#[derive(Debug)]
pub struct Booth {
    /// The context of every handler.
    pub context: Arc<Context>,
    /// Signs and opens links and nonces.
    pub links: Links,
    /// Looks invitations up.
    pub lookup: Lookup,
    /// Takes votes.
    pub recorder: Recorder,
    /// Surveys.
    pub surveys: Arc<Surveys>,
    /// Pages rendered before.
    pub pages: Pages,
}

/// An invitation that can be answered now.
struct Seated {
    id: InvitationId,
    survey: Arc<Survey>,
    locale: Locale,
}

impl Booth {
    /// The invitation behind a token, or the page that says why it cannot be answered.
    async fn seat(&self, request: &HttpRequest, token: &str) -> Result<Seated, HttpResponse> {
        let random = &self.context.random;
        let refuse = |reason, survey: Option<&Survey>, customer| refused(reason, survey, language(request, customer, survey), random);
        let id = self.links.open(Purpose::Vote, token).map(InvitationId).ok_or_else(|| refuse(Refusal::NotFound, None, None))?;
        let found = self.lookup.find(id).await.map_err(|_| refuse(Refusal::Unavailable, None, None))?;
        let seat = found.ok_or_else(|| refuse(Refusal::NotFound, None, None))?;
        let survey = self.surveys.find(seat.survey_id.0).await.map_err(|_| refuse(Refusal::Unavailable, None, None))?;
        let survey = survey.ok_or_else(|| refuse(Refusal::NotFound, None, None))?;
        let state = (seat.state, seat.expires_at);
        if let Some(reason) = count::refusal(&survey, state, seat.first_answered_at, self.context.clock.now()) {
            return Err(refuse(reason, Some(&survey), seat.locale));
        }
        let locale = language(request, seat.locale, Some(&survey));
        Ok(Seated { id, survey, locale })
    }

    /// The survey page again, with what was typed and why it comes back.
    fn again(&self, seated: &Seated, token: &str, notice: Notice, form: &Form) -> HttpResponse {
        let csp_nonce = csp_nonce(&self.context.random);
        let nonce = self.links.nonce(seated.id.0, self.context.clock.now(), &self.context.random);
        let view = SurveyView {
            survey: &seated.survey,
            token,
            nonce: &nonce,
            csp_nonce: &csp_nonce,
            chosen: form.score.and_then(|raw| seated.survey.accepts(raw)),
            notice: Some(notice),
            comment: &form.comment,
            consent: form.consent,
        };
        let mut response = markup(notice.status(), survey(&view, messages(seated.locale)), &csp_nonce);
        if notice == Notice::NotStored {
            response.headers_mut().insert(RETRY_AFTER, TRY_AGAIN_S.into());
        }
        response
    }

    fn too_many(&self, request: &HttpRequest, id: InvitationId) -> Option<HttpResponse> {
        let problem = self.context.limits.vote(self.context.proxies.client(request), id.0).err()?;
        let reason = Refusal::TooMany { seconds: problem.retry_after_s().unwrap_or(TRY_AGAIN_S) };
        Some(refused(reason, None, language(request, None, None), &self.context.random))
    }
}

/// The page of a link without a score.
pub(crate) async fn open(request: HttpRequest, booth: Data<Booth>, token: Path<String>) -> HttpResponse {
    show(&request, &booth, &token, None).await
}

/// The page of a link with a score, which is selected and not recorded.
pub(crate) async fn open_with_score(request: HttpRequest, booth: Data<Booth>, path: Path<(String, String)>) -> HttpResponse {
    let (token, score) = path.into_inner();
    show(&request, &booth, &token, score.parse().ok()).await
}

async fn show(request: &HttpRequest, booth: &Booth, token: &str, score: Option<i64>) -> HttpResponse {
    let seated = match booth.seat(request, token).await {
        Ok(seated) => seated,
        Err(refused) => return refused,
    };
    let context = &booth.context;
    let now = context.clock.now();
    let chosen = score.and_then(|raw| seated.survey.accepts(raw));
    if let Some(raw) = chosen
        && request.method() == actix_web::http::Method::GET
    {
        booth.recorder.note_open(seated.id, raw, now);
    }
    let nonce = booth.links.nonce(seated.id.0, now, &context.random);
    let csp_nonce = csp_nonce(&context.random);
    let fill = Fill { token, nonce: &nonce, csp_nonce: &csp_nonce };
    filled(request, &booth.pages.find(&seated.survey, seated.locale, Sheet::Survey(chosen)), fill)
}

/// The fields of the survey page's form.
#[derive(Debug, Default)]
struct Form {
    nonce: String,
    score: Option<i64>,
    comment: String,
    consent: bool,
    evidence: String,
    confirmed: bool,
}

impl Form {
    fn read(body: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            match name.as_ref() {
                "nonce" => form.nonce = value.into_owned(),
                "score" => form.score = ascii_digits(value.trim()).parse().ok(),
                "comment" => form.comment = tidy_comment(&value),
                "consent" => form.consent = value == "yes",
                "evidence" => form.evidence = value.into_owned(),
                "confirmed" => form.confirmed = value == "yes",
                _ => {}
            }
        }
        form
    }

    fn has_fitting_comment(&self) -> bool {
        self.comment.chars().count() <= usize::from(COMMENT_LIMIT)
    }

    fn vote(self, invitation: InvitationId, raw: i64, evidence: human::Evidence, touched_page_of: Option<Timestamp>) -> Vote {
        let comment = Some(self.comment).filter(|comment| !comment.is_empty());
        Vote { invitation, raw, comment, consent: self.consent, evidence, touched_page_of }
    }
}

/// Browsers send line breaks as CR LF; NUL cannot be stored by PostgreSQL.
fn tidy_comment(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\0', "").trim().to_owned()
}

/// A form was sent: records it when a person did, otherwise asks to press once more.
pub(crate) async fn send(request: HttpRequest, booth: Data<Booth>, token: Path<String>, body: Bytes) -> HttpResponse {
    let form = Form::read(&body);
    let Some(id) = booth.links.open(Purpose::Vote, &token).map(InvitationId) else {
        return refused(Refusal::NotFound, None, language(&request, None, None), &booth.context.random);
    };
    if let Some(too_many) = booth.too_many(&request, id) {
        return too_many;
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let signs = Signs {
        fetch_user: header("sec-fetch-user"),
        fetch_site: header("sec-fetch-site"),
        evidence: Some(&form.evidence).filter(|evidence| !evidence.is_empty()).map(String::as_str),
        confirmed: form.confirmed,
    };
    let is_current = booth.links.rendered_at(&form.nonce, id.0, booth.context.clock.now()).is_some();
    match (form.score, signs.of_a_person()) {
        (Some(raw), Some(evidence)) if is_current && form.has_fitting_comment() => {
            record(&request, &booth, &token, (id, raw, evidence), form).await
        }
        (_, evidence) => return_form(&request, &booth, &token, (is_current, evidence.is_some()), &form).await,
    }
}

/// The form cannot be recorded as it is: shows the page again, or asks a browser that gave no sign of a person to press once more.
async fn return_form(request: &HttpRequest, booth: &Booth, token: &str, (is_current, is_human): (bool, bool), form: &Form) -> HttpResponse {
    let seated = match booth.seat(request, token).await {
        Ok(seated) => seated,
        Err(refused) => return refused,
    };
    let score = form.score.and_then(|raw| seated.survey.accepts(raw));
    let notice = match score {
        _ if !is_current => Some(Notice::StaleForm),
        None => Some(Notice::ScoreMissingOrOutside),
        Some(_) if !form.has_fitting_comment() => Some(Notice::CommentTooLong),
        Some(_) => None,
    };
    match (notice, score) {
        (None, Some(score)) if !is_human => ask_once_more(booth, &seated, token, score, form),
        (notice, _) => booth.again(&seated, token, notice.unwrap_or(Notice::ScoreMissingOrOutside), form),
    }
}

fn ask_once_more(booth: &Booth, seated: &Seated, token: &str, score: u8, form: &Form) -> HttpResponse {
    let csp_nonce = csp_nonce(&booth.context.random);
    let nonce = booth.links.nonce(seated.id.0, booth.context.clock.now(), &booth.context.random);
    let view = ConfirmView {
        survey: &seated.survey,
        token,
        nonce: &nonce,
        csp_nonce: &csp_nonce,
        score,
        comment: &form.comment,
        consent: form.consent,
    };
    markup(200, confirm(&view, messages(seated.locale)), &csp_nonce)
}

async fn record(
    request: &HttpRequest,
    booth: &Booth,
    token: &str,
    (id, raw, evidence): (InvitationId, i64, human::Evidence),
    form: Form,
) -> HttpResponse {
    let typed =
        (!form.comment.is_empty()).then(|| Form { comment: form.comment.clone(), nonce: String::new(), evidence: String::new(), ..form });
    let refuse = |reason, survey, customer| refused(reason, survey, language(request, customer, survey), &booth.context.random);
    let receipt = match booth.recorder.record(form.vote(id, raw, evidence, None)).await {
        Ok(Some(receipt)) => receipt,
        Ok(None) => return refuse(Refusal::NotFound, None, None),
        Err(_) => return not_stored(request, booth, token, typed).await,
    };
    let locale = language(request, receipt.locale, Some(&receipt.survey));
    match receipt.effect {
        Effect::Refused(reason) => refuse(reason, Some(&receipt.survey), receipt.locale),
        Effect::OffScale => {
            let seated = Seated { id, survey: receipt.survey, locale };
            booth.again(&seated, token, Notice::ScoreMissingOrOutside, &typed.unwrap_or_default())
        }
        Effect::First | Effect::Changed | Effect::Confirmed | Effect::None => {
            let csp_nonce = csp_nonce(&booth.context.random);
            let score = receipt.survey.accepts(raw).unwrap_or_default();
            let fill = Fill { token, nonce: "", csp_nonce: &csp_nonce };
            filled(request, &booth.pages.find(&receipt.survey, locale, Sheet::Thanks(score)), fill)
        }
    }
}

/// Nothing was stored. Whoever wrote a comment gets the page back with it; a mere click is quickly made again.
async fn not_stored(request: &HttpRequest, booth: &Booth, token: &str, typed: Option<Form>) -> HttpResponse {
    let unavailable = || refused(Refusal::Unavailable, None, language(request, None, None), &booth.context.random);
    let Some(form) = typed else { return unavailable() };
    match booth.seat(request, token).await {
        Ok(seated) => booth.again(&seated, token, Notice::NotStored, &form),
        Err(refused) => refused,
    }
}

/// The page's script saw the first sign of a person.
pub(crate) async fn touch(request: HttpRequest, booth: Data<Booth>, token: Path<String>, body: Bytes) -> Result<HttpResponse, Problem> {
    let form = Form::read(&body);
    let id = booth.links.open(Purpose::Vote, &token).map(InvitationId).ok_or_else(|| Problem::not_found("invitation"))?;
    booth.context.limits.vote(booth.context.proxies.client(&request), id.0)?;
    let evidence = human::reported(&form.evidence)
        .ok_or_else(|| Problem::field("evidence", "must be pointermove, pointerdown, touchstart or keydown"))?;
    let rendered = booth.links.rendered_at(&form.nonce, id.0, booth.context.clock.now());
    let rendered = rendered.ok_or_else(|| Problem::new(Kind::Conflict).detail("The page is older than 24 hours; open the link again."))?;
    let raw = form.score.ok_or_else(|| Problem::field("score", "must be a point of the scale"))?;
    let vote = Form { comment: String::new(), consent: false, ..form }.vote(id, raw, evidence, Some(rendered));
    let receipt = booth.recorder.record(vote).await.map_err(|_| Problem::unavailable())?;
    match receipt.map(|receipt| receipt.effect) {
        None => Err(Problem::not_found("invitation")),
        Some(Effect::Refused(_)) => Err(Problem::new(Kind::Gone)),
        Some(Effect::OffScale) => Err(Problem::field("score", "must be a point of the scale")),
        Some(_) => Ok(HttpResponse::NoContent().finish()),
    }
}
