//! The composition root: settings in, a running service out; start, drain, stop.

pub mod bounces;
pub mod check;
pub mod data;
pub mod import;
pub mod keys;
pub mod process;
mod signing;
pub mod trial;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App as Site, HttpServer, web};
use anyhow::Context as _;
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::OpenApi;

use crate::clock::Clock;
use crate::config::{Config, MailPolicy, MailTransport};
use crate::db::{self, Db, changes};
use crate::delivery::bounce::{Returns, effect};
use crate::delivery::mail::Mailbox;
use crate::delivery::pace::Pace;
use crate::delivery::transport::Transport;
use crate::delivery::worker::Courier;
use crate::happiness::kept::Reports;
use crate::intake::{self, Sources};
use crate::invitation::clerk::Clerk;
use crate::invitation::http::{Desk, InFlight};
use crate::invitation::lookup::worker::Enquirer;
use crate::keyring::Keyring;
use crate::link::Links;
use crate::net::client::{Client, Lookup as Names};
use crate::net::documents::Documents;
use crate::net::domain;
use crate::net::guard::Guard;
use crate::net::smtp::{Options, SmtpRelay};
use crate::outbox::serve;
use crate::random::Random;
use crate::response::http::vote::Booth;
use crate::response::lookup::Lookup;
use crate::response::recorder::Recorder;
use crate::response::rendered::Pages;
use crate::routes;
use crate::survey::Surveys;
use crate::web::address::Proxies;
use crate::web::limit::{Limits, PerMinute};
use crate::web::metrics::Metrics;
use crate::web::operations::Describe;
use crate::web::{Context, request};

/// Requests under way may take this long to end; it leaves the recorder time within the ten seconds a stop may take.
const DRAIN_S: u64 = 7;
/// Everything together: whoever stops services usually kills them after ten seconds.
const STOP_WITHIN: Duration = Duration::from_millis(9500);
const FORGET_EVERY: Duration = Duration::from_mins(1);
const ERASE_EVERY: Duration = Duration::from_hours(1);
/// How long a body that could not be read is kept.
const KEPT_DAYS: i64 = 30;

/// What a test replaces.
pub struct Parts {
    /// The clock.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// How mail leaves; by the settings where it is `None`.
    pub transport: Option<Transport>,
    /// Whether the outbox is served in the background, or only by [`App::deliver_due`].
    pub delivers: bool,
    /// Threads that answer requests; one for each core where it is `None`.
    pub threads: Option<usize>,
}

impl Default for Parts {
    /// The machine's clock and randomness, and everything by the settings.
    fn default() -> Self {
        Self { clock: Clock::System, random: machine_random(), transport: None, delivers: true, threads: None }
    }
}

/// The kernel's randomness.
///
/// # Panics
/// When the kernel refuses: without randomness no secret would be one.
#[must_use]
#[expect(clippy::disallowed_methods, clippy::panic, reason = "this is the one place that asks the kernel for randomness")]
pub fn machine_random() -> Random {
    Random::new(|bytes| {
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the kernel gives no randomness: {error}");
        }
    })
}

/// A running service.
pub struct App {
    /// The address it listens on.
    pub address: SocketAddr,
    /// What its handlers share.
    pub context: Arc<Context>,
    booth: Option<web::Data<Booth>>,
    desk: Option<web::Data<Desk>>,
    courier: Arc<Courier>,
    enquirer: Arc<Enquirer>,
    server: ServerHandle,
    stop: CancellationToken,
    tasks: TaskTracker,
    draining: TaskTracker,
}

impl App {
    /// Opens the database, reads or creates the secrets, and serves.
    ///
    /// # Errors
    /// One line that says what cannot be opened, written or listened on, and what to do.
    pub async fn start(config: &Config, parts: Parts) -> anyhow::Result<Self> {
        check::check(config)?;
        let keyring = data::open_keyring(config, &parts.random)?;
        let listener = listen(config.server.listen)?;
        let address = listener.local_addr()?;
        let db = data::open_database(config, &parts).await?;
        let transport = parts.transport.clone().map_or_else(|| transport(config), Ok)?;
        let context = Arc::new(context(config, &parts, (db, keyring, address))?);
        let links = Links::new(&context.keyring);
        let surveys = Arc::new(Surveys::new(&context.db));
        let (stop, tasks, draining) = (CancellationToken::new(), TaskTracker::new(), TaskTracker::new());

        let courier = Arc::new(courier(config, (&context, &links, &surveys), transport)?);
        let enquirer = Arc::new(Enquirer {
            context: Arc::clone(&context),
            links: links.clone(),
            surveys: Arc::clone(&surveys),
            retry_schedule_ms: config.lookups.retry_schedule_ms.clone(),
            at_once: config.lookups.at_once,
        });
        let (recorder, serve_votes) = Recorder::new(Arc::clone(&context), Arc::clone(&surveys), config.database.vote_batch);
        let (lookup, serve_pages) = Lookup::new(context.db.clone());
        let (clerk, serve_intake) = Clerk::new(Arc::clone(&context), links.clone());
        draining.spawn(serve_votes);
        draining.spawn(serve_intake);
        draining.spawn(serve_pages);
        tasks.spawn(changes::relay(context.db.clone(), stop.clone()));
        tasks.spawn(forget_idle(Arc::clone(&context), stop.clone()));
        tasks.spawn(erase_old(Arc::clone(&context), stop.clone()));
        if parts.delivers {
            let (enquirer, until) = (Arc::clone(&enquirer), stop.clone());
            tasks.spawn(serve::run(enquirer, until));
            let (courier, stop) = (Arc::clone(&courier), stop.clone());
            tasks.spawn(serve::run(courier, stop));
        }
        let desk = web::Data::new(Desk {
            context: Arc::clone(&context),
            links: links.clone(),
            clerk,
            sources: Sources::new(&context.db),
            surveys: Arc::clone(&surveys),
            in_flight: InFlight::default(),
        });
        let returns = web::Data::new(bounces::returns(config, &context, &links)?);
        let booth = web::Data::new(Booth { context: Arc::clone(&context), links, lookup, recorder, surveys, pages: Pages::default() });
        let shared = (web::Data::from(Arc::clone(&context)), desk.clone(), booth.clone(), returns);
        let server = serve(config, parts.threads, listener, shared, &draining)?;
        Ok(Self { address, context, booth: Some(booth), desk: Some(desk), courier, enquirer, server, stop, tasks, draining })
    }

    /// Asks and sends everything that is due now; answers how many attempts that took.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn deliver_due(&self) -> anyhow::Result<usize> {
        Ok(serve::serve_due(self.enquirer.as_ref()).await? + serve::serve_due(self.courier.as_ref()).await?)
    }

    /// Waits until every opening noted so far is stored.
    pub async fn flush(&self) {
        if let Some(booth) = &self.booth {
            booth.recorder.flush().await;
        }
    }

    /// Takes no more requests, ends those under way, stores every vote that was taken, and closes the database. Takes less than ten seconds:
    /// a mail that a silent relay holds up longer is sent again when its lease ends.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(STOP_WITHIN, async {
            self.server.stop(true).await;
            // Recorder and clerk end once nobody can hand them anything any more.
            self.booth.take();
            self.desk.take();
            self.draining.close();
            self.draining.wait().await;
            self.tasks.close();
            self.tasks.wait().await;
            self.courier.transport.close().await;
            self.context.db.close().await;
        });
        if ended.await.is_err() {
            tracing::warn!("not everything ended in time; messages under way are sent again");
        }
    }
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}; choose another address or port with server.listen"))
}

fn transport(config: &Config) -> anyhow::Result<Transport> {
    Ok(match config.mail.transport {
        MailTransport::Folder => {
            signing::check(config)?;
            Transport::Folder(config.mail_dir())
        }
        MailTransport::Smtp => {
            let options = Options { max_connections: config.mail.max_connections, ..Options::default() };
            let relay = SmtpRelay::from_url(config.mail.smtp_url.expose_secret(), options).context("mail.smtp_url")?;
            signing::through(relay, config)?
        }
    })
}

fn context(config: &Config, parts: &Parts, (db, keyring, address): (Db, Keyring, SocketAddr)) -> anyhow::Result<Context> {
    let public_url = match config.server.public_url.as_str() {
        "" => format!("http://{address}"),
        url => url.to_owned(),
    };
    let mail_goes_to = match config.mail.transport {
        MailTransport::Folder => config.mail_dir().display().to_string(),
        MailTransport::Smtp => "a mail server".to_owned(),
    };
    let limits = PerMinute {
        votes_per_client: config.limits.votes_per_client_per_minute,
        votes_per_link: config.limits.votes_per_link_per_minute,
        api_per_key: config.limits.api_per_key_per_minute,
    };
    let proxies =
        config.server.trusted_proxies.iter().map(|range| range.parse()).collect::<Result<_, _>>().context("server.trusted_proxies")?;
    Ok(Context {
        db,
        clock: parts.clock.clone(),
        random: parts.random.clone(),
        keyring,
        http: outgoing(config)?,
        documents: Documents::default(),
        metrics: Metrics::default(),
        limits: Limits::new(limits),
        proxies: Proxies::new(proxies),
        public_url,
        root_key: Some(config.auth.root_key.clone()).filter(|key| !key.expose_secret().is_empty()),
        own_domains: config.asking.own_domains.iter().filter_map(|domain| domain::normal(domain)).collect(),
        program: std::env::args_os().next().and_then(|word| word.into_string().ok()).unwrap_or_else(|| "nabz".to_owned()),
        mail_goes_to,
        request_timeout: Duration::from_millis(config.server.request_timeout_ms),
    })
}

/// Outgoing requests, as far as the settings let them go.
fn outgoing(config: &Config) -> anyhow::Result<Client> {
    let opened =
        config.webhooks.allow_private.iter().map(|range| range.parse()).collect::<Result<_, _>>().context("webhooks.allow_private")?;
    Ok(Client::new(Guard::new(opened), &Names::System, Duration::from_millis(config.webhooks.timeout_ms))?)
}

fn courier(
    config: &Config,
    (context, links, surveys): (&Arc<Context>, &Links, &Arc<Surveys>),
    transport: Transport,
) -> anyhow::Result<Courier> {
    let (from, reply_to) = senders(config)?;
    Ok(Courier {
        context: Arc::clone(context),
        links: links.clone(),
        surveys: Arc::clone(surveys),
        transport,
        from,
        reply_to,
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
fn bounce_domain(config: &Config) -> Option<String> {
    domain::normal(&config.mail.bounce_domain)
}

/// Who mails come from, and where answers to them go.
fn senders(config: &Config) -> anyhow::Result<(Mailbox, Option<Mailbox>)> {
    let from = Mailbox::parse(&config.mail.from).context("mail.from: expected a mailbox such as Acme <survey@acme.example>")?;
    let reply_to = Some(&config.mail.reply_to).filter(|text| !text.is_empty());
    Ok((from, reply_to.map(|text| Mailbox::parse(text)).transpose().context("mail.reply_to")?))
}

type Shared = (web::Data<Context>, web::Data<Desk>, web::Data<Booth>, web::Data<Returns>);

fn serve(
    config: &Config,
    threads: Option<usize>,
    listener: TcpListener,
    shared: Shared,
    draining: &TaskTracker,
) -> anyhow::Result<ServerHandle> {
    let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let describe: web::Data<Describe> = web::Data::new(routes::Document::openapi);
    let reports = web::Data::new(Reports::new(&shared.0.db, &shared.0.clock));
    let server = HttpServer::new(move || {
        let (context, desk, booth, returns) = shared.clone();
        Site::new()
            .app_data(context)
            .app_data(desk)
            .app_data(booth)
            .app_data(returns)
            .app_data(describe.clone())
            .app_data(reports.clone())
            .configure(routes::configure)
            .wrap(Compress::default())
            .wrap(from_fn(request::around))
    })
    .workers(threads)
    .max_connections(config.server.max_connections.div_ceil(threads))
    .client_request_timeout(Duration::from_millis(config.server.head_timeout_ms))
    .shutdown_timeout(DRAIN_S)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    draining.spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the HTTP server ended");
        }
    });
    Ok(handle)
}

/// Erases what is kept for a while only.
async fn erase_old(context: Arc<Context>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(ERASE_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => if let Err(error) = erase(&context).await {
                tracing::warn!(cause = %error, "what is over its time could not be erased");
            },
        }
    }
}

/// Erases the bodies of events that could not be read, 30 days after they arrived, and reports of mail that came back, after 90.
///
/// # Errors
/// When the database cannot store it.
pub async fn erase(context: &Context) -> db::Result<()> {
    let mut tx = context.db.begin().await?;
    intake::store::erase_bodies(&mut tx, context.clock.now().plus_days(-KEPT_DAYS)).await?;
    effect::erase(&mut tx, context.clock.now()).await?;
    tx.commit().await
}

async fn forget_idle(context: Arc<Context>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(FORGET_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => context.limits.forget_idle(),
        }
    }
}
