//! Header fields as mail and its reports write them: `Name: value`, folded over lines, in groups between blank lines (RFC 5322, RFC 3464). Pure.

/// One group of fields: the header of a message, or what a report says of one recipient.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of the first field of this name, in any case; `None` also where it is empty.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, value)| own.eq_ignore_ascii_case(name) && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The values of every field of this name that are not empty.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(own, value)| own.eq_ignore_ascii_case(name) && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The groups of a text, in order. A line that is no field and continues none is passed over.
#[must_use]
pub fn groups(text: &str) -> Vec<Fields> {
    let mut groups = vec![Fields::default()];
    for line in text.lines() {
        if line.trim().is_empty() {
            groups.push(Fields::default());
            continue;
        }
        let Some(Fields(fields)) = groups.last_mut() else { continue };
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                if !value.is_empty() {
                    value.push(' ');
                }
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':')
            && !name.trim_end().is_empty()
            && name.trim_end().chars().all(|character| character.is_ascii_graphic())
        {
            fields.push((name.trim_end().to_owned(), value.trim().to_owned()));
        }
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// The header of a message: its fields up to the first blank line.
#[must_use]
pub fn header(bytes: &[u8]) -> Fields {
    let text = String::from_utf8_lossy(bytes);
    // A mailbox file and some pipes begin with a line of their own.
    let text = text.trim_start_matches(['\r', '\n']);
    let text = if text.starts_with("From ") { text.split_once('\n').map_or("", |(_, rest)| rest) } else { text };
    let head: String = text.lines().take_while(|line| !line.trim().is_empty()).flat_map(|line| [line, "\n"]).collect();
    groups(&head).into_iter().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_any_case_folded_and_group_by_group() {
        let groups = groups(
            "Reporting-MTA: dns; mx\r\n\r\n\r\nfinal-recipient :rfc822;a@b\r\nDIAGNOSTIC-CODE: smtp;\r\n 550 5.1.1\r\n\tunknown\r\nno field\r\n",
        );
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[1].first("Final-Recipient"), Some("rfc822;a@b"));
        assert_eq!(groups[1].first("Diagnostic-Code"), Some("smtp; 550 5.1.1 unknown"));
        assert_eq!((groups[1].first("Action"), groups[0].first("Diagnostic-Code")), (None, None));
    }

    #[test]
    fn a_header_ends_at_the_first_blank_line_and_may_follow_a_mailbox_line() {
        let header = header(b"From MAILER-DAEMON Thu Jan 15\r\nTo: a@b\r\nTo: c@d\r\nSubject:\r\n\r\nTo: body@example.com\r\n");
        assert_eq!(header.all("to").collect::<Vec<_>>(), ["a@b", "c@d"]);
        assert_eq!(header.first("Subject"), None);
    }
}
