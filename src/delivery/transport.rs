//! The ways a mail can leave: through a relay, into a folder, into memory.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::delivery::harmless::token;
use crate::delivery::mail::Mail;
use crate::net::smtp::{Envelope, SendError, SmtpRelay, Step};

/// A mail names a customer and holds a link that answers for them.
#[cfg(unix)]
const OWNER_ONLY: u32 = 0o600;

/// How mail leaves.
#[derive(Debug, Clone)]
pub enum Transport {
    /// Through a relay.
    Smtp(SmtpRelay),
    /// Through a relay, signed.
    #[cfg(any(feature = "dkim", test))]
    Signed(SmtpRelay, Arc<crate::delivery::dkim::Signer>),
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
        self.try_to_send(mail).await.map_err(|(_, error)| error)
    }

    /// As [`Transport::send`], and tells the step that a failure was at; no step where no relay was asked.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn try_to_send(&self, mail: &Mail) -> Result<String, (Option<Step>, SendError)> {
        let (envelope, bytes) = mail.sealed().map_err(|error| (None, error))?;
        match self {
            Self::Smtp(relay) => through(relay, &envelope, &bytes).await,
            #[cfg(any(feature = "dkim", test))]
            Self::Signed(relay, signer) => {
                let message = signer.signed(&bytes).map_err(|error| (None, SendError::unreachable(&format!("mail.dkim_key: {error}"))))?;
                through(relay, &envelope, &message).await
            }
            Self::Folder(folder) => {
                let (folder, name) = (folder.clone(), format!("{}.eml", token(&mail.id)));
                let written = tokio::task::spawn_blocking(move || write_whole(&folder, &name, &bytes)).await;
                match written {
                    Ok(Ok(())) => Ok("written to the mail folder".to_owned()),
                    Ok(Err(error)) => Err((None, SendError::unreachable(&format!("mail folder: {error}")))),
                    Err(_) => Err((None, SendError::unreachable("mail folder: writing was interrupted"))),
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
        match self {
            Self::Smtp(relay) => relay.close().await,
            #[cfg(any(feature = "dkim", test))]
            Self::Signed(relay, _) => relay.close().await,
            Self::Folder(_) | Self::Memory(_) => {}
        }
    }
}

async fn through(relay: &SmtpRelay, envelope: &Envelope, bytes: &[u8]) -> Result<String, (Option<Step>, SendError)> {
    let sent = relay.try_to_send(envelope, bytes).await;
    sent.map(|accepted| accepted.reply).map_err(|(step, error)| (Some(step), error))
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
