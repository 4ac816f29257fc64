//! The composition root: settings in, a running service out; start, drain, stop.

mod apart;
pub mod bounces;
mod carriers;
pub mod check;
pub mod data;
pub mod import;
pub mod keys;
pub mod process;
mod randomness;
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

use self::carriers::Carriers;
pub use self::randomness::machine_random;
use crate::clock::Clock;
use crate::config::{Config, MailTransport};
use crate::db::{self, Db, changes};
use crate::delivery::bounce::{Returns, effect};
use crate::delivery::transport::Transport;
use crate::happiness::kept::Reports;
use crate::intake::{self, Sources};
use crate::invitation::clerk::Clerk;
use crate::invitation::http::{Desk, InFlight};
use crate::keyring::Keyring;
use crate::link::Links;
use crate::net::client::{Client, Lookup as Names};
use crate::net::documents::Documents;
use crate::net::domain;
use crate::net::guard::Guard;
use crate::net::smtp::{Options, SmtpRelay};
use crate::notice;
use crate::outbox;
use crate::random::Random;
use crate::report::daily;
use crate::response::http::vote::Booth;
use crate::response::lookup::Lookup;
use crate::response::lookup::kept::Seats;
use crate::response::recorder::Recorder;
use crate::response::rendered::Pages;
use crate::routes;
use crate::survey::Surveys;
use crate::tally::merge::Merger;
use crate::web::address::Proxies;
use crate::web::limit::{Limits, PerMinute};
use crate::web::metrics::Metrics;
use crate::web::operations::Describe;
use crate::web::{Context, request};
use crate::webhook::{self, endpoints::Endpoints};

/// Requests under way may take this long to end; it leaves the recorder time within the ten seconds a stop may take.
const DRAIN_S: u64 = 7;
/// Everything together: whoever stops services usually kills them after ten seconds.
const STOP_WITHIN: Duration = Duration::from_millis(9500);
const FORGET_EVERY: Duration = Duration::from_mins(1);
/// How often it is looked whether the day of a survey is over.
const DAYS_EVERY: Duration = Duration::from_mins(1);
const ERASE_EVERY: Duration = Duration::from_hours(1);
/// How long a body that could not be read, and a message that was settled, are kept.
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

/// A running service.
pub struct App {
    /// The address it listens on.
    pub address: SocketAddr,
    /// What its handlers share.
    pub context: Arc<Context>,
    booth: Option<web::Data<Booth>>,
    desk: Option<web::Data<Desk>>,
    carriers: Carriers,
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

        let endpoints = Arc::new(Endpoints::new(&context.db));
        let carriers = Carriers::new(config, (&context, &links, &surveys, &endpoints), transport)?;
        let seats = Arc::new(Seats::new(&context.db, context.clock.clone()));
        let (merger, serve_tallies) = Merger::new(context.db.clone());
        let (recorder, serve_votes) = Recorder::new(
            Arc::clone(&context),
            (Arc::clone(&surveys), Arc::clone(&endpoints), Arc::clone(&seats), merger),
            config.database.vote_batch,
        );
        let (lookup, serve_pages) = Lookup::new(context.db.clone(), seats);
        let (clerk, serve_intake) = Clerk::new(Arc::clone(&context), links.clone());
        apart::spawn("votes", serve_votes, (&context.db, &draining))?;
        draining.spawn(serve_tallies);
        draining.spawn(serve_intake);
        draining.spawn(serve_pages);
        tasks.spawn(changes::relay(context.db.clone(), stop.clone()));
        tasks.spawn(forget_idle(Arc::clone(&context), stop.clone()));
        tasks.spawn(erase_old(Arc::clone(&context), stop.clone()));
        if parts.delivers {
            tasks.spawn(tell_days(Arc::clone(&context), Arc::clone(&endpoints), stop.clone()));
            carriers.serve(&tasks, &stop);
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
        Ok(Self { address, context, booth: Some(booth), desk: Some(desk), carriers, server, stop, tasks, draining })
    }

    /// Asks and sends everything that is due now; answers how many attempts that took.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn deliver_due(&self) -> anyhow::Result<usize> {
        Ok(self.carriers.serve_due().await?)
    }

    /// Tells endpoints of the days that are over.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn tell_days(&self) -> anyhow::Result<usize> {
        Ok(daily::tell_days(&self.context, &self.carriers.messenger.endpoints).await?)
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
            self.carriers.courier.transport.close().await;
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
    let mail_folder = (config.mail.transport == MailTransport::Folder).then(|| config.mail_dir());
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
        mail_goes_to: mail_folder.as_ref().map_or_else(|| "a mail server".to_owned(), |folder| folder.display().to_string()),
        mail_folder,
        request_timeout: Duration::from_millis(config.server.request_timeout_ms),
    })
}

/// Outgoing requests, as far as the settings let them go.
fn outgoing(config: &Config) -> anyhow::Result<Client> {
    let opened =
        config.webhooks.allow_private.iter().map(|range| range.parse()).collect::<Result<_, _>>().context("webhooks.allow_private")?;
    Ok(Client::new(Guard::new(opened), &Names::System, Duration::from_millis(config.webhooks.timeout_ms))?)
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

/// Tells endpoints of days that are over.
async fn tell_days(context: Arc<Context>, endpoints: Arc<Endpoints>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(DAYS_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => if let Err(error) = daily::tell_days(&context, &endpoints).await {
                tracing::warn!(cause = %error, "endpoints could not be told of a day");
            },
        }
    }
}

/// Erases the bodies of events that could not be read, 30 days after they arrived, and forgets messages 30 days after they were settled, and
/// reports of mail that came back after 90.
///
/// # Errors
/// When the database cannot store it.
pub async fn erase(context: &Context) -> db::Result<()> {
    let mut tx = context.db.begin().await?;
    let before = context.clock.now().plus_days(-KEPT_DAYS);
    intake::store::erase_bodies(&mut tx, before).await?;
    effect::erase(&mut tx, context.clock.now()).await?;
    webhook::event::store::forget(&mut tx, before).await?;
    outbox::history::store::forget(&mut tx, before).await?;
    notice::store::forget(&mut tx, before).await?;
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
