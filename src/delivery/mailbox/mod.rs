//! The developer's mailbox: what the folder transport wrote, read again.

pub mod page;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mail_parser::{Address, Message, MessageParser};

/// Mails that are listed at most: the newest.
pub const LISTED: usize = 500;
/// The largest mail that is read, in bytes; ours have 30 KB.
const LARGEST: u64 = 1024 * 1024;

/// The folder that mails are written to.
#[derive(Debug, Clone)]
pub struct Mailbox(pub PathBuf);

/// A mail in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name of its file.
    pub name: String,
    /// Whom it goes to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its Date header, as it stands there.
    pub date: String,
}

/// A mail to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// As in the list.
    pub listed: Listed,
    /// The headers as they stand there, unfolded, in their order.
    pub headers: Vec<(String, String)>,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// Every byte.
    pub raw: Vec<u8>,
}

/// A mail's file.
struct File {
    name: String,
    path: PathBuf,
    written_at: SystemTime,
}

impl Mailbox {
    /// The newest mails, newest first, and how many there are altogether.
    ///
    /// # Errors
    /// When the folder cannot be read; one that does not exist yet is empty.
    pub fn list(&self) -> io::Result<(Vec<Listed>, usize)> {
        let mut files = self.files()?;
        files.sort_by(|one, other| (other.written_at, &other.name).cmp(&(one.written_at, &one.name)));
        let count = files.len();
        let listed = files.iter().take(LISTED).filter_map(|file| {
            let raw = read(&file.path).ok()?;
            let message = MessageParser::default().parse_headers(&raw)?;
            Some(listed(&file.name, &message))
        });
        Ok((listed.collect(), count))
    }

    /// The mail of that name. Only a name that the folder itself tells is opened.
    ///
    /// # Errors
    /// When the folder or the file cannot be read.
    pub fn find(&self, name: &str) -> io::Result<Option<Letter>> {
        let Some(file) = self.files()?.into_iter().find(|file| file.name == name) else {
            return Ok(None);
        };
        let raw = read(&file.path)?;
        let Some(message) = MessageParser::default().parse(&raw) else {
            return Ok(None);
        };
        Ok(Some(Letter {
            listed: listed(&file.name, &message),
            headers: headers(&message),
            text: message.body_text(0).unwrap_or_default().into_owned(),
            html: message.body_html(0).unwrap_or_default().into_owned(),
            raw,
        }))
    }

    /// The mails that were written whole: no hidden files, no folders, no links.
    fn files(&self) -> io::Result<Vec<File>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_mail = !name.starts_with('.') && Path::new(&name).extension().is_some_and(|extension| extension == "eml");
            // Deleted meanwhile, it is none.
            let Some(known) = entry.metadata().ok().filter(|known| is_mail && known.is_file()) else { continue };
            files.push(File { name, path: entry.path(), written_at: known.modified()? });
        }
        Ok(files)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    fs::File::open(path)?.take(LARGEST).read_to_end(&mut raw)?;
    Ok(raw)
}

/// Name and value of each header as they stand there; the parser would write known names its own way.
fn headers(message: &Message<'_>) -> Vec<(String, String)> {
    let text = |from: u32, to: u32| {
        let bytes = message.raw_message().get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)?;
        Some(String::from_utf8_lossy(bytes).replace(['\r', '\n'], "").replace('\t', " "))
    };
    let field = |header: &mail_parser::Header<'_>| {
        let name = text(header.offset_field, header.offset_start)?;
        Some((name.trim_end().trim_end_matches(':').to_owned(), text(header.offset_start, header.offset_end)?.trim().to_owned()))
    };
    message.headers().iter().filter_map(field).collect()
}

fn listed(name: &str, message: &Message<'_>) -> Listed {
    let written = |address: &mail_parser::Addr<'_>| match (address.name(), address.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (None, Some(address)) => address.to_owned(),
        _ => String::new(),
    };
    let to = message.to().and_then(Address::first).map(written).unwrap_or_default();
    Listed {
        name: name.to_owned(),
        to,
        subject: message.subject().unwrap_or_default().to_owned(),
        date: message.header_raw("Date").unwrap_or_default().trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Mailbox) {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("mail");
        fs::create_dir(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        (place, Mailbox(folder))
    }

    const MAIL: &str = "To: =?utf-8?b?2LPYp9ix2Kc=?= <sara@example.com>\r\nSUBJECT: Hello\r\n there\r\nDate: Fri, 20 Nov 2026 08:30:05 +0000\r\n\r\nText\r\n";

    #[test]
    fn only_mails_that_lie_in_the_folder_are_found() {
        let (place, mailbox) = folder(&[("a.eml", MAIL), (".b.eml.part", MAIL), (".c.eml", MAIL), ("d.txt", MAIL)]);
        fs::write(place.path().join("outside.eml"), MAIL).unwrap();
        fs::create_dir(mailbox.0.join("e.eml")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(place.path().join("outside.eml"), mailbox.0.join("link.eml")).unwrap();
        let (listed, count) = mailbox.list().unwrap();
        assert_eq!((listed.len(), count), (1, 1));
        assert_eq!((listed[0].to.as_str(), listed[0].subject.as_str()), ("سارا <sara@example.com>", "Hello there"));
        assert_eq!(listed[0].date, "Fri, 20 Nov 2026 08:30:05 +0000");
        let absolute = place.path().join("outside.eml");
        for name in [
            "../outside.eml",
            "./a.eml",
            "mail/a.eml",
            "link.eml",
            "e.eml",
            ".c.eml",
            "d.txt",
            "A.EML",
            "",
            ".",
            "..",
            absolute.to_str().unwrap(),
        ] {
            assert_eq!(mailbox.find(name).unwrap(), None, "{name}");
        }
        let letter = mailbox.find("a.eml").unwrap().unwrap();
        assert_eq!((letter.text.as_str(), letter.raw.as_slice()), ("Text\r\n", MAIL.as_bytes()));
        assert_eq!(letter.headers[1], ("SUBJECT".to_owned(), "Hello there".to_owned()));
    }

    #[test]
    fn the_newest_mails_come_first_and_the_oldest_are_only_counted() {
        let (_place, mailbox) = folder(&[]);
        for number in 0..LISTED + 3 {
            let path = mailbox.0.join(format!("{number}.eml"));
            fs::write(&path, MAIL.replace("Hello", &number.to_string())).unwrap();
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::try_from(number).unwrap());
            fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        }
        let (listed, count) = mailbox.list().unwrap();
        assert_eq!((listed.len(), count), (LISTED, LISTED + 3));
        assert_eq!(listed[0].subject, format!("{} there", LISTED + 2));
        assert_eq!(listed[LISTED - 1].subject, "3 there");
    }

    #[test]
    fn a_folder_that_does_not_exist_yet_is_empty_and_rubbish_is_no_failure() {
        let (place, _) = folder(&[]);
        assert_eq!(Mailbox(place.path().join("none")).list().unwrap(), (Vec::new(), 0));
        let (_place, mailbox) = folder(&[
            ("empty.eml", ""),
            ("rubbish.eml", "\0\u{1}\u{2} no mail"),
            ("half.eml", "Subject: x\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a"),
        ]);
        assert_eq!(mailbox.list().unwrap().1, 3);
        for name in ["empty.eml", "rubbish.eml", "half.eml"] {
            mailbox.find(name).unwrap();
        }
    }
}
