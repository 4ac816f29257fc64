//! Arguments, configuration, one command.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use nabz::app::{App, Parts, check, data, keys, process};
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
    /// Ask the service that runs with these settings whether it is alive.
    Health,
}

#[derive(Subcommand)]
enum ConfigAction {
    /// Check the settings in force.
    Check,
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
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Tells what went wrong and why in one line; some causes repeat their own cause.
fn fail(error: &anyhow::Error) -> ExitCode {
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
    ExitCode::FAILURE
}

/// Prints a line for people.
fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if let Some(Command::Config { action: None }) = &arguments.command {
        return Ok(write!(std::io::stdout(), "{}", config::DEFAULT)?);
    }
    let config = Config::load(arguments.config.as_deref())?;
    match arguments.command {
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
