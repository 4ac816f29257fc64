//! Arguments, configuration, one command.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use nabz::app::{App, Parts, bounces, check, data, import, keys, process, trial};
use nabz::config::{self, Config};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Asks one question after an interaction, collects the answer, and shows what the answers say.
#[derive(Parser)]
#[command(name = "nabz", version)]
struct Arguments {
    /// The settings; nabz.toml in this folder where it exists.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (what happens without a command).
    Serve,
    /// Print the commented default settings, or check those in force.
    Config {
        #[command(subcommand)]
        action: Option<ConfigAction>,
    },
    /// Bring the database up to date.
    Migrate,
    /// Manage API keys and link secrets.
    Key {
        #[command(subcommand)]
        action: KeyAction,
    },
    /// Take in past answers or closed tickets from a file.
    #[command(long_about = IMPORT, after_long_help = IMPORT_EXAMPLES)]
    Import {
        /// CSV with a header (any usual delimiter, UTF-8), or NDJSON: one object a line.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The survey of rows that name none in a column `survey`; needed where there are several surveys.
        #[arg(long, value_name = "SLUG")]
        survey: Option<String>,
        /// What columns hold, as field=column, several separated by commas; or @FILE with one a line.
        #[arg(long, value_name = "FIELD=COLUMN")]
        map: Vec<String>,
        /// Read, check and decide, and store nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// See whether mail leaves.
    Mail {
        #[command(subcommand)]
        action: MailAction,
    },
    /// Take in a report of mail that came back, from stdin.
    #[command(long_about = BOUNCE)]
    Bounce,
    /// Ask the service that runs with these settings whether it is alive.
    Health,
}

/// The exit code for a file or an argument that cannot be used; also clap's.
const UNUSABLE: u8 = 2;

/// The exit code that has a mail server try again later (`EX_TEMPFAIL` of sysexits.h).
const LATER: u8 = 75;

/// What `nabz bounce --help` says first.
const BOUNCE: &str = "Take in a report of mail that came back, from stdin: a raw message, as a mail server hands it over.

Set mail.bounce_domain, and have the mail server deliver that domain's mail here. Postfix, in master.cf, with transport_maps for the domain:
  nabz unix - n n - 1 pipe flags=DRhu user=nabz argv=/usr/local/bin/nabz --config /etc/nabz.toml bounce

Delivery reports (RFC 3464) and complaints (RFC 5965) are understood, and believed where they are about a message of ours.
Exit code: 0 it was taken in, or says nothing about delivery; 1 it cannot be read or is not trusted; 2 usage; 75 it cannot be stored right now.";

/// What `nabz import --help` says first.
const IMPORT: &str = "Take in past answers or closed tickets from a file.

A row with a score is a past answer: it counts in reports on the day it was given, and never in the public happiness report. A row without one is a \
closed ticket, decided about like any other; one that was closed long ago is skipped as too_old.

The same file again changes nothing, and an import that was cut off goes on where it was. Answers are told apart by `id`, else by `ticket.id` and \
`answered_at`, else by everything they say. The service may run meanwhile.";

/// What it says last.
const IMPORT_EXAMPLES: &str = "Columns (or NDJSON fields, which may be nested):
  id, survey, score, comment, consent, answered_at, ticket.id, ticket.subject, ticket.url, ticket.opened_at, ticket.first_reply_at, ticket.closed_at,
  ticket.reopens, customer.email, customer.phone, customer.name, customer.locale, customer.ref, agent.id, agent.name, agent.email, team, channel, tags,
  touchpoint, segment, product. Exports of Delighted, Zendesk (satisfaction ratings; good is 5, bad is 1) and Nicereply are recognised by their
  columns. Others are ignored, and named once.

  A score is a number on the survey's scale (also 4/5, ۴ or ٤), for CES as it was chosen. An instant is RFC 3339, Unix time, or a local one such as
  2026-01-15 10:30, which is read in the survey's time zone.

Examples:
  nabz import --survey support answers.csv
  nabz import --survey support --dry-run tickets.ndjson
  nabz import --survey nps --map \"score=Rating,answered_at=Date\" --map \"customer.email=E-mail\" old.csv

Rows that are not taken are told on stderr with their number (the header is row 1), the field and the rule.
Exit code: 0 every row was taken, 1 some were refused or the database failed, 2 the file or what was said of it cannot be used.";

#[derive(Subcommand)]
enum ConfigAction {
    /// Check the settings in force.
    Check,
}

#[derive(Subcommand)]
enum MailAction {
    /// Send one test mail, and tell what became of it.
    #[command(after_help = "Exit code: 0 it was sent, 1 it was not, 2 the address or the settings cannot be used.")]
    Test {
        /// Where it goes, such as you@example.com.
        #[arg(value_name = "ADDRESS")]
        address: String,
    },
}

#[derive(Subcommand)]
enum KeyAction {
    /// Create an API key and print it once.
    Create {
        /// What it is for.
        #[arg(long)]
        name: String,
        /// What it may do.
        #[arg(long, default_value = "write")]
        scope: Scope,
    },
    /// List the API keys.
    List,
    /// Revoke an API key.
    Revoke {
        /// Its id, by `nabz key list`.
        id: String,
    },
    /// Add a secret that signs links from the next start on; the older ones stay in force.
    Rotate,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scope {
    Read,
    Write,
    Admin,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let result = runtime.block_on(run(arguments));
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    match result {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// Tells what went wrong and why in one line; some causes repeat their own cause.
fn fail(error: &anyhow::Error) -> ExitCode {
    tell_error(error);
    ExitCode::FAILURE
}

fn tell_error(error: &anyhow::Error) {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string).filter(|cause| !cause.is_empty()) {
        let cause = cause.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        if !told.contains(&cause) {
            told.push_str(if told.is_empty() { "" } else { ": " });
            told.push_str(&cause);
        }
    }
    // There is nowhere left to report that writing to stderr failed.
    let _ = writeln!(std::io::stderr(), "error: {told}");
}

/// Prints a line for people.
fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Some(Command::Config { action: None }) = &arguments.command {
        write!(std::io::stdout(), "{}", config::DEFAULT)?;
        return Ok(ExitCode::SUCCESS);
    }
    if matches!(arguments.command, Some(Command::Bounce)) {
        return Ok(take_back(arguments.config.as_deref()).await);
    }
    let config = Config::load(arguments.config.as_deref())?;
    match arguments.command {
        Some(Command::Import { file, survey, map, dry_run }) => {
            return take_in(&config, import::Wanted { file, survey, map, dry_run }).await;
        }
        Some(Command::Mail { action: MailAction::Test { address } }) => return test_mail(&config, &address).await,
        None | Some(Command::Serve) => serve(&config).await,
        Some(Command::Config { .. }) => {
            check::check(&config)?;
            say("The settings are valid.")
        }
        Some(Command::Migrate) => {
            data::open_database(&config, &Parts::default()).await?.close().await;
            say("The database is up to date.")
        }
        Some(Command::Key { action }) => key(&config, action).await,
        Some(Command::Health) => process::ask_health(&config).await,
        // Done before the settings were read.
        Some(Command::Bounce) => Ok(()),
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn take_in(config: &Config, wanted: import::Wanted) -> anyhow::Result<ExitCode> {
    Ok(match import::import(config, &Parts::default(), wanted).await? {
        import::Ended::Whole(told) => {
            say(told)?;
            ExitCode::SUCCESS
        }
        import::Ended::InPart(told) => {
            say(told)?;
            ExitCode::FAILURE
        }
        import::Ended::Unusable(why) => {
            tell_error(&anyhow::anyhow!(why));
            ExitCode::from(UNUSABLE)
        }
    })
}

async fn test_mail(config: &Config, address: &str) -> anyhow::Result<ExitCode> {
    Ok(match trial::send(config, &Parts::default(), address).await {
        trial::Ended::Sent(told) => {
            say(told)?;
            ExitCode::SUCCESS
        }
        trial::Ended::NotSent(told) => {
            writeln!(std::io::stderr(), "{told}")?;
            ExitCode::FAILURE
        }
        trial::Ended::Unusable(why) => {
            tell_error(&anyhow::anyhow!(why));
            ExitCode::from(UNUSABLE)
        }
    })
}

/// Whatever goes wrong here is no fault of the report: the mail server should come back with it.
async fn take_back(config: Option<&std::path::Path>) -> ExitCode {
    let ended = async {
        let config = Config::load(config)?;
        bounces::take_stdin(&config, &Parts::default()).await
    };
    match ended.await {
        Ok(bounces::Ended::Done(told)) => say(told).map_or(ExitCode::from(LATER), |()| ExitCode::SUCCESS),
        Ok(bounces::Ended::Refused(why)) => fail(&anyhow::anyhow!(why)),
        Err(error) => {
            tell_error(&error);
            ExitCode::from(LATER)
        }
    }
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    process::log_to_stderr(config)?;
    let stop = process::stop_signal()?;
    let app = App::start(config, Parts::default()).await?;
    say(format_args!("nabz serves on http://{}", app.address))?;
    if !config.server.public_url.is_empty() {
        say(format_args!("customers and help desks reach it at {}", app.context.public_url))?;
    }
    say(format_args!("mail goes to {}", app.context.mail_goes_to))?;
    stop.await;
    tracing::info!("stopping");
    app.stop().await;
    Ok(())
}

async fn key(config: &Config, action: KeyAction) -> anyhow::Result<()> {
    let parts = Parts::default();
    if matches!(action, KeyAction::Rotate) {
        data::rotate_secrets(config, &parts.random)?;
        return say("A new secret was added; it signs links from the next start on.");
    }
    let db = data::open_database(config, &parts).await?;
    let lines = match action {
        KeyAction::Create { name, scope } => {
            let scope = match scope {
                Scope::Read => keys::Scope::Read,
                Scope::Write => keys::Scope::Write,
                Scope::Admin => keys::Scope::Admin,
            };
            vec![keys::create(&db, &parts, name, scope).await?]
        }
        KeyAction::List => keys::list(&db).await?,
        KeyAction::Revoke { id } => vec![keys::revoke(&db, &parts, &id).await?],
        KeyAction::Rotate => Vec::new(),
    };
    db.close().await;
    lines.into_iter().try_for_each(say)
}
