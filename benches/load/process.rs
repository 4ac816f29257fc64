//! A server as a child process: started, waited for, looked at, stopped.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::connection::Connection;

const START_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A running server; dropped, it is killed.
pub struct Process {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// From spawning to the first answer.
    pub start: Duration,
}

/// Memory in MB of 1,048,576 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Resident now.
    pub now: f64,
    /// The most there ever was.
    pub peak: f64,
}

impl Process {
    /// Runs what `command` makes for a free address, and asks for `path` until the answer is 200.
    pub async fn start(log: &Path, path: &str, command: impl FnOnce(SocketAddr) -> Command) -> Result<Self> {
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let output = std::fs::File::create(log)?;
        let spawned = Instant::now();
        let child = command(address)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("the server does not start")?;
        let mut process = Self { child, log: log.to_owned(), address, start: Duration::ZERO };
        let question = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        while !is_ready(address, question.as_bytes()).await {
            if let Some(status) = process.child.try_wait()? {
                bail!("the server ended at once ({status}): {}", process.last_words());
            }
            if spawned.elapsed() > START_LIMIT {
                bail!("the server is not ready after {START_LIMIT:?}: {}", process.last_words());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process.start = spawned.elapsed();
        Ok(process)
    }

    /// What `/proc` says of its memory.
    pub fn memory(&self) -> Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let read = |name: &str| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line in /proc")?;
            let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
            Ok(kilobytes / 1024.0)
        };
        Ok(Memory { now: read("VmRSS:")?, peak: read("VmHWM:")? })
    }

    /// The processor time that it has used, in steps of 10 ms.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in brackets may hold spaces; user and system time are the 12th and 13th figure after it.
        let (_, figures) = stat.rsplit_once(") ").context("no such line in /proc")?;
        let ticks = figures.split(' ').skip(11).take(2).map(str::parse::<u64>);
        Ok(Duration::from_millis(10 * ticks.sum::<Result<u64, _>>()?))
    }

    /// Asks it to end and waits until it has.
    pub async fn stop(mut self) -> Result<()> {
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        if !asked.success() {
            bail!("the server was gone before it was stopped: {}", self.last_words());
        }
        let since = Instant::now();
        while self.child.try_wait()?.is_none() {
            if since.elapsed() > STOP_LIMIT {
                bail!("the server does not stop: {}", self.last_words());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let mut lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.reverse();
        lines.join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn is_ready(address: SocketAddr, question: &[u8]) -> bool {
    let answered = async {
        let mut connection = Connection::open(address).await?;
        anyhow::Ok(connection.ask(question).await?.status == 200)
    };
    answered.await.unwrap_or(false)
}
