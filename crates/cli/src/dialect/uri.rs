//! `redis://user:password@host:port/db`.

/// The parts of a server's URI, as far as they are given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Uri {
    pub(super) tls: bool,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<String>,
    pub(super) database: Option<String>,
}

impl Uri {
    /// Reads a URI as redis-cli does: `redis` and `valkey` are plain, `rediss` and `valkeys` are TLS; a lone name
    /// before the `@` is the password. User and password may have `%HH`.
    ///
    /// # Errors
    /// What is wrong with it. The text itself may hold a password and is not repeated.
    pub(super) fn parse(text: &str) -> Result<Uri, String> {
        let (scheme, rest) = text.split_once("://").ok_or("Invalid URI scheme")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err("Invalid URI scheme".into()),
        };
        let mut uri = Uri { tls, ..Uri::default() };
        // A password may hold any of `/ # ? @`, an address no `@`.
        let (identity, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let (address, path) = place.split_once('/').unwrap_or((place, ""));
        match identity.split_once(':') {
            Some((user, password)) => {
                uri.user = Some(decode(user)?).filter(|user| !user.is_empty());
                uri.password = Some(decode(password)?);
            }
            None => uri.password = Some(decode(identity)?).filter(|word| !word.is_empty()),
        }
        let (host, port) = split_address(address);
        uri.host = (!host.is_empty()).then(|| host.to_owned());
        uri.port = (!port.is_empty()).then(|| port.to_owned());
        let database = path.split('?').next().unwrap_or_default();
        uri.database = (!database.is_empty()).then(|| database.to_owned());
        Ok(uri)
    }
}

fn split_address(text: &str) -> (&str, &str) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').unwrap_or_default());
    }
    text.rsplit_once(':').unwrap_or((text, ""))
}

fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.ok_or("a % in the URI without two hexadecimal digits behind it")?);
        rest = rest.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| "the URI's user or password is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (bool, [Option<String>; 5]) {
        let uri = Uri::parse(text).unwrap();
        (uri.tls, [uri.user, uri.password, uri.host, uri.port, uri.database])
    }

    #[test]
    fn reads_what_redis_cli_reads() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts("redis://"), (false, [None, None, None, None, None]));
        assert_eq!(
            parts("rediss://bob:p%40ss:x@[::1]:7000/2?x=y"),
            (true, [some("bob"), some("p@ss:x"), some("::1"), some("7000"), some("2")])
        );
        assert_eq!(
            parts("valkey://pw@h/0"),
            (false, [None, some("pw"), some("h"), None, some("0")])
        );
        assert_eq!(
            parts("redis://:a/b#c?d@e%2F@h:1/2").1,
            [None, some("a/b#c?d@e/"), some("h"), some("1"), some("2")]
        );
        assert_eq!(parts("redis://:pw@:1").1, [None, some("pw"), None, some("1"), None]);
    }

    #[test]
    fn complaints_do_not_repeat_the_password() {
        for text in ["foo", "http://a:s3cret@h", "redis://a:s3cret%4@h", "redis://a:s3cret%ff@h"] {
            let complaint = Uri::parse(text).unwrap_err();
            assert!(!complaint.contains("s3cret"), "{complaint}");
        }
    }
}
