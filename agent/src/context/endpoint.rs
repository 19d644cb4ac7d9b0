//! Where a target sends its spans: an address that may hold secrets.

use std::fmt;

/// An endpoint as the target has it. People write credentials into URLs: printing shows scheme,
/// host, port and path, and neither user, password nor query.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(String);

impl Endpoint {
    /// Wraps the target's own words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// All of it, for connecting and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = match self.0.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, self.0.as_str()),
        };
        let visible = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = match visible.find('/') {
            Some(slash) => visible.split_at(slash),
            None => (visible, ""),
        };
        let host = authority.rsplit('@').next().unwrap_or_default();
        if let Some(scheme) = scheme {
            write!(f, "{scheme}://")?;
        }
        write!(f, "{host}{path}")
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn secrets_are_not_printed() {
        let cases = [
            (
                "http://localhost:4318/v1/traces",
                "http://localhost:4318/v1/traces",
            ),
            (
                "https://user:pa@ss@host:443/path?key=secret",
                "https://host:443/path",
            ),
            ("https://host?key=secret/x", "https://host"),
            ("user:pass@localhost:4317", "localhost:4317"),
            ("localhost:4317", "localhost:4317"),
            ("unix:///run/collector.sock#x", "unix:///run/collector.sock"),
            ("", ""),
        ];
        for (text, shown) in cases {
            let endpoint = Endpoint::new(text);
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(format!("{endpoint:?}"), format!("Endpoint({shown})"));
            assert_eq!(endpoint.reveal(), text);
        }
    }
}
