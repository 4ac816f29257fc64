//! The process around the service: its log, its signals, its health.

use std::io::IsTerminal as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// What other parts say at every start; `log.filter` can ask for it by name.
const QUIET: &str = "sqlx::postgres::notice=warn,actix_server=warn";
const HEALTH_WITHIN: Duration = Duration::from_secs(3);

/// Sends the log to stderr.
///
/// # Errors
/// When `log.filter` cannot be read.
pub fn log_to_stderr(config: &Config) -> anyhow::Result<()> {
    let log = tracing_subscriber::fmt()
        .with_env_filter(log_filter(config)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}

/// Hears SIGTERM and SIGINT from now on; what it gives ends with the first of them.
///
/// # Errors
/// When the system does not let signals be heard.
#[cfg(unix)]
pub fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Hears Ctrl-C from now on; what it gives ends with it.
///
/// # Errors
/// When the system does not let it be heard.
#[cfg(windows)]
pub fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

/// What is logged.
pub(super) fn log_filter(config: &Config) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(format!("{QUIET},{}", config.log.filter)).context("log.filter: expected something like info or info,nabz::web=debug")
}

/// Asks the service that listens where these settings say whether it is alive.
///
/// # Errors
/// When it does not answer, or not with success.
pub async fn ask_health(config: &Config) -> anyhow::Result<()> {
    let address = reachable(config.server.listen);
    let answer = timeout(HEALTH_WITHIN, ask(address)).await.with_context(|| format!("{address} does not answer in time"))??;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { bail!("{address} answers, but not with success") }
}

/// A service that listens on every address is asked on the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("nothing listens on {address}"))?;
    stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
