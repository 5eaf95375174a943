//! Addresses that are too long to be opened, and are left out while a body is parsed.
//!
//! Guarantees: no address that is kept is longer than [`LONGEST_ADDRESS`], because messages repeat some of them for each
//! alert; an alert that loses one says how many, and the log says it once for each notification.

use super::{LINKS_LEFT_OUT, LONGEST_ADDRESS, Labels};

/// Counts what is left out of one alert.
#[derive(Debug, Default)]
pub(super) struct TooLong(usize);

impl TooLong {
    /// An address as it was sent, or nothing in place of one that is too long.
    pub(super) fn address(&mut self, sent: Option<String>) -> String {
        let is_kept = |url: &String| url.len() <= LONGEST_ADDRESS;
        let left_out = sent.as_ref().is_some_and(|url| !is_kept(url));
        self.0 += usize::from(left_out);
        sent.filter(is_kept).unwrap_or_default()
    }

    /// Annotations without those that are nothing but an address that is too long.
    pub(super) fn annotations(&mut self, sent: Option<Labels>) -> Labels {
        let mut kept = sent.unwrap_or_default();
        let before = kept.len();
        kept.retain(|_, text| text.len() <= LONGEST_ADDRESS || !is_address(text));
        self.0 += before - kept.len();
        kept
    }

    /// Notes in an alert's annotations how many were left out of it; returns how many.
    pub(super) fn note(self, annotations: &mut Labels) -> usize {
        if self.0 > 0 {
            annotations.insert(LINKS_LEFT_OUT.to_owned(), self.0.to_string());
        }
        self.0
    }
}

/// Whether a text is a web address and nothing else.
fn is_address(text: &str) -> bool {
    let text = text.trim();
    let begins = |scheme: &str| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    (begins("http://") || begins("https://")) && !text.contains(char::is_whitespace)
}

/// Says that so many addresses were left out of a notification.
pub(super) fn log(left_out: usize) {
    if left_out > 0 {
        tracing::warn!(
            "a notification has links longer than {LONGEST_ADDRESS} bytes; the relay left out {left_out} of them"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_nothing_but_a_long_address_is_left_out() {
        let long = "a".repeat(LONGEST_ADDRESS);
        let texts = [
            ("runbook", format!(" HTTPS://e.org/{long}")),
            ("summary", long.clone()),
            ("description", format!("https://e.org/ says: {long}")),
            ("logs", "https://e.org/".to_owned()),
        ];
        let sent: Labels = texts.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        let mut too_long = TooLong::default();
        let mut kept = too_long.annotations(Some(sent));
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["description", "logs", "summary"]);
        assert_eq!(too_long.address(Some(long.clone())), long);
        assert_eq!(too_long.address(Some(format!("{long}é"))), "");
        assert_eq!(too_long.note(&mut kept), 2);
        assert_eq!(kept[LINKS_LEFT_OUT], "2");
    }
}
