//! Domains of mail addresses: their one form, and which of them lie within others. Pure.

use url::Host;

/// The form in which two spellings of a domain are equal: lower case, in ASCII. `None` where the text is no domain.
#[must_use]
pub fn normal(text: &str) -> Option<String> {
    let Ok(Host::Domain(domain)) = Host::parse(text.trim()) else {
        return None;
    };
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (domain.len() <= 253 && domain.split('.').all(is_label)).then_some(domain)
}

/// The first of these domains, in their [`normal`] form, that a mail address lies in or below.
#[must_use]
pub fn of_address<'a>(email: &str, domains: &'a [String]) -> Option<&'a str> {
    if domains.is_empty() {
        return None;
    }
    let domain = normal(email.rsplit_once('@')?.1)?;
    let holds = |listed: &&String| domain.strip_suffix(listed.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    domains.iter().find(holds).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_one_form() {
        for (text, expected) in
            [("Acme.Example", "acme.example"), (" acme.example ", "acme.example"), ("مثال.ایران", "xn--mgbh0fb.xn--mgba3a4f16a")]
        {
            assert_eq!(normal(text).as_deref(), Some(expected), "{text}");
        }
        for bad in
            ["", "@acme.example", "a b", "*.acme.example", "127.0.0.1", "[::1]", "acme..example", ".acme", "https://acme.example", "a/b"]
        {
            assert_eq!(normal(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_lies_in_its_domain_and_in_all_above_it() {
        let listed = ["acme.example".to_owned(), "xn--mgbh0fb.xn--mgba3a4f16a".to_owned()];
        for (email, expected) in [
            ("sara@ACME.example", Some("acme.example")),
            ("sara@mail.acme.example", Some("acme.example")),
            ("زهرا@مثال.ایران", Some("xn--mgbh0fb.xn--mgba3a4f16a")),
            ("sara@notacme.example", None),
            ("sara@acme.example.net", None),
            ("acme.example", None),
        ] {
            assert_eq!(of_address(email, &listed), expected, "{email}");
        }
        assert_eq!(of_address("sara@acme.example", &[]), None);
    }
}
