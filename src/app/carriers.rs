//! Whoever carries messages out of the outbox: put together, served, and asked to send what is due.

use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, MailPolicy};
use crate::db;
use crate::delivery::announce::Herald;
use crate::delivery::mail::Mailbox;
use crate::delivery::pace::Pace;
use crate::delivery::transport::Transport;
use crate::delivery::worker::Courier;
use crate::invitation::lookup::worker::Enquirer;
use crate::link::Links;
use crate::net::domain;
use crate::outbox::serve;
use crate::report::daily::Chronicler;
use crate::response::told::Narrator;
use crate::survey::Surveys;
use crate::web::Context;
use crate::webhook::endpoints::Endpoints;
use crate::webhook::worker::Messenger;

/// The carriers of a running service.
pub(super) struct Carriers {
    pub courier: Arc<Courier>,
    pub enquirer: Arc<Enquirer>,
    pub messenger: Arc<Messenger>,
}

type Parts<'a> = (&'a Arc<Context>, &'a Links, &'a Arc<Surveys>, &'a Arc<Endpoints>);

impl Carriers {
    pub(super) fn new(config: &Config, (context, links, surveys, endpoints): Parts<'_>, transport: Transport) -> anyhow::Result<Self> {
        let courier = Arc::new(courier(config, (context, links, surveys), transport)?);
        let enquirer = Enquirer {
            context: Arc::clone(context),
            links: links.clone(),
            surveys: Arc::clone(surveys),
            retry_schedule_ms: config.lookups.retry_schedule_ms.clone(),
            at_once: config.lookups.at_once,
        };
        let messenger = Messenger {
            context: Arc::clone(context),
            endpoints: Arc::clone(endpoints),
            describers: vec![
                Box::new(Herald { courier: Arc::clone(&courier) }),
                Box::new(Narrator { context: Arc::clone(context), surveys: Arc::clone(surveys) }),
                Box::new(Chronicler { context: Arc::clone(context), surveys: Arc::clone(surveys) }),
            ],
            retry_schedule_ms: config.webhooks.retry_schedule_ms.clone(),
        };
        Ok(Self { courier, enquirer: Arc::new(enquirer), messenger: Arc::new(messenger) })
    }

    /// Serves all of them until told to stop.
    pub(super) fn serve(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        tasks.spawn(serve::run(Arc::clone(&self.enquirer), stop.clone()));
        tasks.spawn(serve::run(Arc::clone(&self.courier), stop.clone()));
        tasks.spawn(serve::run(Arc::clone(&self.messenger), stop.clone()));
    }

    /// Carries everything that is due now, what follows from it too; answers how many attempts that took.
    pub(super) async fn serve_due(&self) -> db::Result<usize> {
        let asked = serve::serve_due(self.enquirer.as_ref()).await?;
        let sent = serve::serve_due(self.courier.as_ref()).await?;
        let told = serve::serve_due(self.messenger.as_ref()).await?;
        Ok(asked + sent + told)
    }
}

fn courier(
    config: &Config,
    (context, links, surveys): (&Arc<Context>, &Links, &Arc<Surveys>),
    transport: Transport,
) -> anyhow::Result<Courier> {
    let (from, reply_to, admin) = senders(config)?;
    Ok(Courier {
        context: Arc::clone(context),
        links: links.clone(),
        surveys: Arc::clone(surveys),
        transport,
        from,
        reply_to,
        admin,
        bounce_domain: bounce_domain(config),
        pace: Pace::new(config.mail.per_minute, &config.mail.per_domain_per_minute),
        at_most_once: config.mail.policy == MailPolicy::AtMostOnce,
        retry_schedule_ms: config.mail.retry_schedule_ms.clone(),
        at_once: config.mail.max_connections,
        gateway_schedule_ms: config.gateways.retry_schedule_ms.clone(),
        gateway_at_once: config.gateways.at_once,
    })
}

/// Where reports about messages go, when not to the sender.
pub(super) fn bounce_domain(config: &Config) -> Option<String> {
    domain::normal(&config.mail.bounce_domain)
}

/// Who mails come from, where answers to them go, and who is told what an operator should know.
pub(super) fn senders(config: &Config) -> anyhow::Result<(Mailbox, Option<Mailbox>, Option<Mailbox>)> {
    let from = Mailbox::parse(&config.mail.from).context("mail.from: expected a mailbox such as Acme <survey@acme.example>")?;
    let optional = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Mailbox::parse).transpose();
    Ok((from, optional(&config.mail.reply_to).context("mail.reply_to")?, optional(&config.mail.admin).context("mail.admin")?))
}
