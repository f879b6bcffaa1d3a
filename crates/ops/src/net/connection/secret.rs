//! Who we say we are.

use std::fmt;

/// A password. It prints as `***`, so that no error or log can carry it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the password in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The password itself, for the wire.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A user name, where one is given, and its password: what AUTH takes.
///
/// ```
/// use redistrib_ops::{Credentials, Secret};
/// let mine = Credentials { user: Some("admin".into()), password: Secret::new("s3cret") };
/// assert!(!format!("{mine:?}").contains("s3cret"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The ACL user; `None` is the default user, and AUTH with one argument.
    pub user: Option<String>,
    /// The password.
    pub password: Secret,
}
