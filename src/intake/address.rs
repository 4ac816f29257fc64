//! Mail addresses as far as we must know them: can mail go there, and are two of them the same person. Pure.

/// The longest address that SMTP carries (RFC 5321, 4.5.3.1.3).
pub const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;

/// Whether mail can be addressed to this text: one mailbox, no name, no comment, a domain that is not an address literal.
#[must_use]
pub fn is_valid(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let local_fits =
        (1..=LONGEST_LOCAL).contains(&local.len()) && !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
    let is_plain = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let labels_fit = domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    });
    text.len() <= LONGEST && local_fits && local.chars().all(is_plain) && labels_fit
}

/// The form in which two addresses of one person are equal, as far as mail systems agree: case does not matter in either part.
/// Dots and `+tags` are left alone, because only some systems ignore them.
#[must_use]
pub fn normal(email: &str) -> String {
    email.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_can_receive_mail() {
        for good in ["a@b", "sara.ahmadi@example.com", "x+y@mail.example.co.uk", "o'brien@example.ie", "زهرا@مثال.ایران", "a@localhost"]
        {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "@b",
            "a@",
            "a b@c",
            "a@b c",
            "a@b..c",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a@-b",
            "Sara <a@b>",
            "a@[1.2.3.4]",
            "a\r\n@b",
            "a,b@c",
            "a@b,c@d",
            "\"a\"@b",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
        assert!(!is_valid(&format!("{}@b", "a".repeat(65))));
    }

    #[test]
    fn case_does_not_make_another_person() {
        assert_eq!(normal(" Sara.Ahmadi@Example.COM "), "sara.ahmadi@example.com");
    }
}
