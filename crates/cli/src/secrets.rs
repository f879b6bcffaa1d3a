//! Passwords: where they come from, and out of sight as soon as the program has them.

use std::ffi::OsString;
use std::io::{self, BufRead as _, IsTerminal as _};

use anyhow::Context as _;
use redistrib_ops::model::declare;
use redistrib_ops::{Credentials, Secret, Settings, TlsOptions, TlsSettings, read_text};

use crate::args::{
    ConnectArgs, FROM_PASSWORD_VARIABLE, PASSWORD_VARIABLE, SourceArgs, VALKEY_PASSWORD_VARIABLE,
};
use crate::dialect::{CALLED_AS, Translated};
use crate::hidden::typed_unseen;
use crate::output::tell_error;
use crate::shell::Peer;
use crate::voice;

/// Where the password may stand: the first that is set counts, that of the peer whose words are spoken. What stood on the
/// line comes first of all, once it has become that variable.
fn password_variables() -> [&'static str; 2] {
    match voice::peer() {
        Some(Peer::ValkeyCli) => [VALKEY_PASSWORD_VARIABLE, PASSWORD_VARIABLE],
        _ => [PASSWORD_VARIABLE, VALKEY_PASSWORD_VARIABLE],
    }
}

/// The options that carry a password, each with the environment variable that carries it instead.
fn secret_options() -> [(&'static str, &'static str); 2] {
    [("pass", password_variables()[0]), ("from-pass", FROM_PASSWORD_VARIABLE)]
}

/// No file of a password is larger.
const LARGEST_PASSWORD: u64 = 64 << 10;

/// What redis-cli says of a password among the arguments.
const WARNING: &str = "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.";

/// Warns of passwords on the command line, then runs the program again without them there: arguments show
/// in every process list, whereas the environment is the user's own. Returns if there are none, or with the
/// error if the program could not be run again.
///
/// # Errors
/// Those of running the program.
pub fn hide(line: &Translated) -> io::Result<()> {
    let mut given = secret_options().to_vec();
    given.retain(|(option, _)| line.value_of(option).is_some());
    if given.is_empty() {
        return Ok(());
    }
    if !line.has("no-auth-warning") && !line.has("askpass") {
        tell_error(WARNING);
    }
    let mut hidden = line.clone();
    let mut variables = Vec::new();
    for (option, variable) in given {
        variables.push((variable, line.value_of(option).unwrap_or_default().to_owned()));
        hidden = hidden.without(option);
    }
    run_again(&hidden, variables)
}

#[cfg(unix)]
fn run_again(line: &Translated, variables: Vec<(&str, OsString)>) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    let mut argv = line.argv().into_iter();
    let name = argv.next().unwrap_or_default();
    let called_as = voice::peer().map(|peer| format!("{CALLED_AS}{}", peer.name()));
    Err(std::process::Command::new(std::env::current_exe()?)
        .arg0(name)
        .args(called_as)
        .args(argv)
        .envs(variables)
        .exec())
}

#[cfg(not(unix))]
fn run_again(_line: &Translated, _variables: Vec<(&str, OsString)>) -> io::Result<()> {
    Ok(())
}

/// How to connect: from the options, `REDISCLI_AUTH` or `VALKEYCLI_AUTH`, and, where asked for, the user's hidden typing.
///
/// # Errors
/// No terminal to ask on; certificates that cannot be read; a user without a password.
pub fn settings(args: &ConnectArgs) -> anyhow::Result<Settings> {
    let mut settings =
        Settings { credentials: credentials(args)?, tls: tls(args)?, ..Settings::default() };
    settings.connect_timeout = args.connect_timeout;
    settings.timeout = args.answer_timeout;
    Ok(settings)
}

fn credentials(args: &ConnectArgs) -> anyhow::Result<Option<Credentials>> {
    login((&args.user, &args.pass, args.askpass), "Please input password: ", &password_variables())
}

/// A password from the keyboard, unseen; from a pipe its first line, as redis-cli takes it, and the rest is left there.
fn typed(question: &str) -> io::Result<String> {
    if io::stdin().is_terminal() {
        return typed_unseen(question);
    }
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "standard input has ended"));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// User and password from the options, the environment or the keyboard.
fn login(
    (user, password, ask): (&Option<String>, &Option<Secret>, bool),
    question: &str,
    variables: &[&str],
) -> anyhow::Result<Option<Credentials>> {
    let password = if ask {
        let failed = || format!("cannot ask for the password, give it in {} instead", variables[0]);
        Some(Secret::new(typed(question).with_context(failed)?))
    } else {
        // The peers send an empty one, too.
        let counts = |password: &String| !password.is_empty() || voice::peer().is_some();
        let inherited = |name: &&str| std::env::var(name).ok().filter(counts);
        password.clone().or_else(|| variables.iter().find_map(inherited).map(Secret::new))
    };
    Ok(match (user.clone(), password) {
        (None, None) => None,
        // A user made with `nopass` accepts any password, an empty one too.
        (user, password) => {
            Some(Credentials { user, password: password.unwrap_or_else(|| Secret::new("")) })
        }
    })
}

/// Who we are at the server that data comes from.
///
/// # Errors
/// No terminal to ask on.
pub fn source_credentials(args: &SourceArgs) -> anyhow::Result<Option<Credentials>> {
    let given = (&args.from_user, &args.from_pass, args.from_askpass);
    login(given, "Please input the source's password: ", &[FROM_PASSWORD_VARIABLE])
}

/// Who we are at the nodes of a declared cluster.
///
/// # Errors
/// A variable that is not set; a file that cannot be read.
pub fn referenced(credentials: &declare::CredentialSource) -> anyhow::Result<Credentials> {
    let password = match (&credentials.password_env, &credentials.password_file) {
        (Some(name), _) => {
            std::env::var(name).with_context(|| format!("the password is to be in {name}"))?
        }
        (None, Some(path)) => {
            let failed = || format!("the password is to be in the file {path}");
            let text = read_text(path.as_ref(), LARGEST_PASSWORD).with_context(failed)?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        (None, None) => String::new(),
    };
    Ok(Credentials { user: credentials.user.clone(), password: Secret::new(password) })
}

fn tls(args: &ConnectArgs) -> anyhow::Result<Option<TlsSettings>> {
    if !args.tls {
        return Ok(None);
    }
    let options = TlsOptions {
        cacert: args.cacert.clone(),
        cacertdir: args.cacertdir.clone(),
        cert: args.cert.clone(),
        key: args.key.clone(),
        sni: args.sni.clone(),
        verify_name: args.verify_name,
        insecure: args.insecure,
    };
    Ok(Some(TlsSettings::load(&options)?))
}

/// A line with `***` for what stands before the host of an address: some write a password there, where this program takes
/// none, and a complaint repeats what they wrote.
///
/// ```
/// use redistrib_cli::secrets::without_uri_passwords;
///
/// assert_eq!(without_uri_passwords("no node: redis://u:p@ss@h:1, 'a@b'"), "no node: redis://***@b'");
/// assert_eq!(without_uri_passwords("'redis://:pw@h' and \"redis://:pw@h\""), "'redis://***@h' and \"redis://***@h\"");
/// assert_eq!(without_uri_passwords("see https://host/, or a@b"), "see https://***@b");
/// ```
pub fn without_uri_passwords(mut line: &str) -> String {
    let mut shown = String::new();
    while let Some((before, rest)) = line.split_once("://") {
        // A password may hold any letter: it ends at the last `@` before the next address.
        let next = rest.find('@').and_then(|at| Some(at + rest[at..].find("://")?));
        let (uri, following) = rest.split_at(next.unwrap_or(rest.len()));
        let hidden = uri.rsplit_once('@').map(|(_, host)| format!("***@{host}"));
        shown += before;
        shown += "://";
        shown += hidden.as_deref().unwrap_or(uri);
        line = following;
    }
    shown + line
}
