//! Unsubscribing: opening the page stops nothing, sending it does, also by one click in a mail program (RFC 8058).

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::vote::Booth;
use super::{csp_nonce, language, markup, refused};
use crate::db;
use crate::i18n::messages;
use crate::invitation::suppression::{self, Cause};
use crate::invitation::{self, Invitation, InvitationId};
use crate::link::Purpose;
use crate::response::page::{Refusal, unsubscribe, unsubscribed};

/// Asks whether to stop.
pub(crate) async fn ask(request: HttpRequest, booth: Data<Booth>, token: Path<String>) -> HttpResponse {
    answer(&request, &booth, &token, false).await
}

/// Stops all mail to the customer.
pub(crate) async fn act(request: HttpRequest, booth: Data<Booth>, token: Path<String>) -> HttpResponse {
    answer(&request, &booth, &token, true).await
}

async fn answer(request: &HttpRequest, booth: &Booth, token: &str, acts: bool) -> HttpResponse {
    let random = &booth.context.random;
    let refuse = |reason| refused(reason, None, language(request, None, None), random);
    let Some(id) = booth.links.open(Purpose::Unsubscribe, token).map(InvitationId) else {
        return refuse(Refusal::NotFound);
    };
    let found = match find(booth, id, acts).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(cause = %error, "unsubscribing could not be stored");
            return refuse(Refusal::Unavailable);
        }
    };
    let Some(invitation) = found else {
        return refuse(Refusal::NotFound);
    };
    let survey = match booth.surveys.find(invitation.survey_id.0).await {
        Ok(Some(survey)) => survey,
        Ok(None) => return refuse(Refusal::NotFound),
        Err(_) => return refuse(Refusal::Unavailable),
    };
    let messages = messages(language(request, invitation.locale, Some(&survey)));
    let csp_nonce = csp_nonce(random);
    let page = if acts { unsubscribed(&survey, &csp_nonce, messages) } else { unsubscribe(&survey, token, &csp_nonce, messages) };
    markup(200, page, &csp_nonce)
}

/// The invitation; when the customer acts, the suppression is on disk before this answers.
async fn find(booth: &Booth, id: InvitationId, acts: bool) -> db::Result<Option<Invitation>> {
    let db = &booth.context.db;
    if !acts {
        return invitation::store::find(&mut db.read().await?, id).await;
    }
    let mut tx = db.begin().await?;
    let found = invitation::store::find(&mut tx, id).await?;
    if found.is_some() {
        suppression::store::suppress_customer_of(&mut tx, id, Cause::Unsubscribed, booth.context.clock.now()).await?;
        tx.commit().await?;
    }
    Ok(found)
}
