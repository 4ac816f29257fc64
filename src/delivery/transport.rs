//! The ways a mail can leave: through a relay, into a folder, into memory.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::delivery::harmless::token;
use crate::delivery::mail::Mail;
use crate::net::smtp::{SendError, SmtpRelay};

/// A mail names a customer and holds a link that answers for them.
#[cfg(unix)]
const OWNER_ONLY: u32 = 0o600;

/// How mail leaves.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Through a relay.
    Smtp(SmtpRelay),
    /// Into a folder, one `.eml` file per mail: what the product does before it is told of a relay.
    Folder(PathBuf),
    /// Into memory, for tests.
    Memory(Arc<Mutex<Vec<Mail>>>),
}

impl Transport {
    /// Sends one mail. `Ok` means that the relay, or the folder, has it for good; the text is the relay's reply.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, mail: &Mail) -> Result<String, SendError> {
        let (envelope, bytes) = mail.sealed()?;
        match self {
            Self::Smtp(relay) => relay.send(&envelope, &bytes).await.map(|accepted| accepted.reply),
            Self::Folder(folder) => {
                let (folder, name) = (folder.clone(), format!("{}.eml", token(&mail.id)));
                let written = tokio::task::spawn_blocking(move || write_whole(&folder, &name, &bytes)).await;
                match written {
                    Ok(Ok(())) => Ok("written to the mail folder".to_owned()),
                    Ok(Err(error)) => Err(SendError::unreachable(&format!("mail folder: {error}"))),
                    Err(_) => Err(SendError::unreachable("mail folder: writing was interrupted")),
                }
            }
            Self::Memory(mails) => {
                mails.lock().unwrap_or_else(PoisonError::into_inner).push(mail.clone());
                Ok("kept in memory".to_owned())
            }
        }
    }

    /// Closes what is open; nothing can be sent by SMTP after it.
    pub async fn close(&self) {
        if let Self::Smtp(relay) = self {
            relay.close().await;
        }
    }
}

/// Writes a file so that it is there whole or not at all, also after a power cut. The same name is replaced: a repeated attempt leaves one file.
fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{name}.part"));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, OWNER_ONLY);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, folder.join(name))?;
    // The rename itself lasts only once the folder is on disk.
    std::fs::File::open(folder)?.sync_all()
}
