//! The program as a child process: its own folder, and nothing of the environment of the tests.

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The root key of every service that these tests start.
pub const KEY: &str = "process-root-key-of-at-least-32-characters";
/// Nothing takes longer, however busy the machine is.
pub const WITHIN: Duration = Duration::from_mins(1);

/// A folder to run the program in, and the settings it finds in its environment.
pub struct Home {
    folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
}

/// How a command ended.
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Home {
    /// An empty folder, any free port, and no other settings.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Self { folder, settings: Vec::new() };
        home.with("NABZ__SERVER__LISTEN", "127.0.0.1:0")
    }

    /// The same with a root key, and without limits.
    pub fn usual() -> Self {
        Self::empty()
            .with("NABZ__AUTH__ROOT_KEY", KEY)
            .with("NABZ__DATABASE__MAX_CONNECTIONS", "4")
            .with("NABZ__LIMITS__VOTES_PER_LINK_PER_MINUTE", "0")
            .with("NABZ__LIMITS__VOTES_PER_CLIENT_PER_MINUTE", "0")
            .with("NABZ__LIMITS__API_PER_KEY_PER_MINUTE", "0")
    }

    /// One more setting.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file or folder below the folder the program runs in.
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nabz"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("RUST_BACKTRACE", "1")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.finish(self.command(arguments))
    }

    /// Runs a command that reads this from its stdin.
    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let path = self.path("stdin");
        std::fs::write(&path, input).unwrap();
        let mut command = self.command(arguments);
        command.stdin(std::fs::File::open(path).unwrap());
        self.finish(command)
    }

    /// Runs a command with a variable that is no text.
    #[cfg(unix)]
    pub fn run_with_bytes(&self, arguments: &[&str], name: &str, value: &[u8]) -> Ended {
        use std::os::unix::ffi::OsStrExt as _;
        let mut command = self.command(arguments);
        command.env(name, std::ffi::OsStr::from_bytes(value));
        self.finish(command)
    }

    #[expect(clippy::unused_self, reason = "the folder must outlive the command")]
    fn finish(&self, mut command: Command) -> Ended {
        let mut child = Guarded(command.spawn().unwrap());
        let (out, err) = (child.0.stdout.take().unwrap(), child.0.stderr.take().unwrap());
        let (out, err) = (whole(out), whole(err));
        let out = out.recv_timeout(WITHIN).unwrap();
        let err = err.recv_timeout(WITHIN).unwrap();
        let status = child.0.wait().unwrap();
        Ended { status, out, err }
    }

    /// Starts a command and does not wait.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child = Guarded(self.command(arguments).spawn().unwrap());
        let (out, err) = (child.0.stdout.take().unwrap(), child.0.stderr.take().unwrap());
        Running { out: whole(out), err: whole(err), child }
    }

    /// Starts the service and waits until it serves.
    pub fn serve(&self) -> Service {
        self.serve_with(&[])
    }

    /// Starts the service with arguments and waits until it serves.
    pub fn serve_with(&self, arguments: &[&str]) -> Service {
        let mut child = Guarded(self.command(arguments).spawn().unwrap());
        let out = Lines::of(child.0.stdout.take().unwrap());
        let err = Lines::of(child.0.stderr.take().unwrap());
        let Some(first) = out.next() else {
            panic!("it did not start: {}", err.rest());
        };
        let url = first.strip_prefix("nabz serves on ").unwrap().to_owned();
        Service { url, out, err, child }
    }
}

/// A command under way.
pub struct Running {
    out: Receiver<String>,
    err: Receiver<String>,
    child: Guarded,
}

impl Running {
    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_none()
    }

    /// Sends SIGKILL and waits until it is gone.
    pub fn kill(mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) -> Ended {
        let (out, err) = (self.out.recv_timeout(WITHIN).unwrap(), self.err.recv_timeout(WITHIN).unwrap());
        Ended { status: self.child.0.wait().unwrap(), out, err }
    }
}

/// A child that does not outlive the test.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Everything that a stream gives until its end.
fn whole(mut stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        sender.send(text)
    });
    receiver
}

/// The lines of a stream, one by one and all together.
pub struct Lines {
    next: Receiver<String>,
    all: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, next) = channel();
        let all = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&all);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
                // Nobody may be waiting for lines any more.
                let _ = sender.send(line);
            }
        });
        Self { next, all, reader }
    }

    /// The next line; `None` at the end.
    pub fn next(&self) -> Option<String> {
        match self.next.recv_timeout(WITHIN) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("no line came in time, only {}", self.all.lock().unwrap()),
        }
    }

    /// Waits for a line with these words.
    pub fn until(&self, words: &str) -> String {
        loop {
            match self.next() {
                Some(line) if line.contains(words) => return line,
                Some(_) => {}
                None => panic!("it ended without a line with {words}"),
            }
        }
    }

    /// Everything, after waiting for the end.
    fn rest(self) -> String {
        while self.next().is_some() {}
        self.reader.join().unwrap();
        self.all.lock().unwrap().clone()
    }
}

/// A running service.
pub struct Service {
    /// Where it listens, as `http://…`.
    pub url: String,
    /// What it prints.
    pub out: Lines,
    /// Its log.
    pub err: Lines,
    child: Guarded,
}

impl Service {
    /// Host and port.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.0.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends SIGKILL and waits until it is gone.
    pub fn kill(mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }

    /// Waits until it has ended by itself; answers what it printed and logged.
    pub fn ended(mut self) -> Ended {
        let out = self.out.rest();
        let err = self.err.rest();
        Ended { status: self.child.0.wait().unwrap(), out, err }
    }
}
