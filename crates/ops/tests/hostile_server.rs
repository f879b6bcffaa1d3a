//! Servers that break the protocol, go silent or never end. Each gives a clear error within the deadline.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use redistrib_ops::resp::Command;
use redistrib_ops::{Cluster, Connection, Endpoint, Error, Settings};

/// A server that does what `script` says with its first connection. The receiver hears when it has ended.
fn serve(script: impl FnOnce(TcpStream) + Send + 'static) -> (Endpoint, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (ended, end) = channel();
    thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            script(stream);
        }
        let _ = ended.send(());
    });
    (Endpoint::tcp("127.0.0.1", port), end)
}

/// Waits for the command, then sends `answer`.
fn answer(answer: &'static [u8]) -> impl FnOnce(TcpStream) + Send {
    move |mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(answer);
    }
}

/// For servers that do not answer: where one does, a busy machine may need longer.
fn hasty() -> Settings {
    Settings { timeout: Duration::from_millis(200), ..Settings::default() }
}

fn ping(endpoint: &Endpoint, settings: &Settings) -> Error {
    let mut connection = Connection::open(endpoint, settings).unwrap();
    connection.call(&Command::new("PING")).unwrap_err()
}

#[test]
fn silence_ends_at_the_deadline_and_so_does_the_connection() {
    let (endpoint, _end) = serve(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let mut connection = Connection::open(&endpoint, &hasty()).unwrap();
    let error = connection.call(&Command::new("PING")).unwrap_err();
    assert!(matches!(&error, Error::Timeout { node, .. } if *node == endpoint), "{error}");
    // A late answer must not be taken for that of the next command.
    let next = connection.call(&Command::new("GET").arg("foo")).unwrap_err();
    assert!(matches!(next, Error::Closed { .. }), "{next}");
}

#[test]
fn an_answer_that_drips_for_ever_ends_at_the_deadline() {
    let (endpoint, end) = serve(|mut stream| {
        let _ = stream.write_all(b"$60000000\r\n");
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    let error = ping(&endpoint, &hasty());
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(end.recv_timeout(Duration::from_secs(60)).is_ok(), "the connection was kept open");
}

#[test]
fn a_connection_that_ends_inside_an_answer_is_named() {
    let (endpoint, _end) = serve(answer(b"*2\r\n$3\r\nfoo\r\n$3\r\nb"));
    let error = ping(&endpoint, &Settings::default());
    assert!(matches!(error, Error::Closed { .. }), "{error}");
    assert!(error.to_string().contains("PING"), "{error}");
}

#[test]
fn what_is_not_the_protocol_is_told_so() {
    let (endpoint, _end) = serve(answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let error = ping(&endpoint, &Settings::default());
    assert!(matches!(error, Error::Protocol { may_want_tls: true, .. }), "{error}");
}

/// Servers that expect TLS end the connection without a word; one that has spoken does not expect it.
#[test]
fn only_a_server_that_has_not_said_a_word_may_want_tls() {
    for (word, wants) in [(&b""[..], true), (b"+PONG\r\n", false)] {
        // What is not read when a connection is closed has it reset.
        let (endpoint, _end) = serve(move |mut stream| {
            let _ = stream.write_all(word);
            let _ = stream.read(&mut [0; 1]);
        });
        let mut node = Connection::open(&endpoint, &Settings::default()).unwrap();
        let ping = Command::new("PING");
        let error = node.call(&ping).and_then(|_| node.receive(&ping)).unwrap_err();
        match error {
            Error::Io { may_want_tls, .. } => assert_eq!(may_want_tls, wants, "{error}"),
            _ => panic!("no reset: {error}"),
        }
    }
}

#[test]
fn an_enormous_promise_costs_nothing() {
    let (endpoint, _end) = serve(answer(b"*2147483647\r\n:1\r\n"));
    let error = ping(&endpoint, &Settings::default());
    assert!(matches!(error, Error::Closed { .. } | Error::Protocol { .. }), "{error}");
}

/// An answer about a server is refused by what it promises, long before it has filled the memory: in one piece, or in many
/// small ones. A value of a user's may be as large.
#[test]
fn an_enormous_answer_about_a_server_is_refused_and_a_large_value_is_not() {
    const PROMISED: usize = 100 << 20;
    let info = || Command::new("INFO");
    let promise = format!("${PROMISED}\r\n").leak().as_bytes();
    let (endpoint, _end) = serve(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(promise);
        drop(stream.read_to_end(&mut Vec::new()));
    });
    let mut connection = Connection::open(&endpoint, &Settings::default()).unwrap();
    let error = connection.call(&info()).unwrap_err();
    assert!(error.to_string().contains("INFO: it is larger than 64 MiB"), "{error}");

    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let (endpoint, end) = serve(move |mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"*1000000000\r\n");
        let piece = b":1\r\n".repeat(16 << 10);
        while counted.load(SeqCst) < 4 * PROMISED && stream.write_all(&piece).is_ok() {
            counted.fetch_add(piece.len(), SeqCst);
        }
    });
    let mut connection = Connection::open(&endpoint, &Settings::default()).unwrap();
    let error = connection.call(&info()).unwrap_err();
    assert!(error.to_string().contains("INFO: it is larger than 64 MiB"), "{error}");
    assert!(end.recv_timeout(Duration::from_secs(60)).is_ok(), "the connection was kept open");
    assert!(sent.load(SeqCst) < PROMISED, "{sent:?} bytes were taken");

    let (endpoint, _end) = serve(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(promise);
        let _ = stream.write_all(&vec![b'x'; PROMISED]);
        let _ = stream.write_all(b"\r\n");
    });
    let mut connection = Connection::open(&endpoint, &Settings::default()).unwrap();
    let value = connection.call(&Command::new("GET").arg("key")).unwrap();
    assert_eq!(value.view().as_bytes().map(<[u8]>::len), Some(PROMISED));
}

#[test]
fn cluster_nodes_of_a_hostile_server_is_refused_without_harm() {
    let hostile: [&'static [u8]; 4] = [
        b"$5\r\nhello\r\n",
        b"$0\r\n\r\n",
        b"*0\r\n",
        b"$70\r\nae97e9700ef65e6ccf648c8a77a339cdfe7366c1 :6379 master - 0 0 0 connected\n\r\n",
    ];
    for text in hostile {
        let (endpoint, _end) = serve(answer(text));
        let error = Cluster::discover(&endpoint, &Settings::default()).unwrap_err();
        let shown = String::from_utf8_lossy(text);
        assert!(
            matches!(error, Error::Unexpected { .. } | Error::Protocol { .. }),
            "{shown}: {error}"
        );
        assert!(error.to_string().contains("CLUSTER NODES"), "{shown}: {error}");
    }
}

#[test]
fn who_else_answers_at_the_address_of_a_node_is_no_member() {
    let [seed, gone, stranger] = ["a", "b", "c"].map(|digit| digit.repeat(40));
    let nodes = |lines: String| format!("${}\r\n{lines}\r\n", lines.len()).into_bytes();
    let line = |id: &str, port: u16, flags: &str| {
        format!("{id} 127.0.0.1:{port}@1 {flags} - 0 0 1 connected\n")
    };
    let (other, _end) = serve(answer(nodes(line(&stranger, 1, "myself,master")).leak()));
    let port = other.port().unwrap();
    let told = line(&seed, 2, "myself,master") + &line(&gone, port, "master");
    let (endpoint, _end) = serve(answer(nodes(told).leak()));
    let cluster = Cluster::discover(&endpoint, &Settings::default()).unwrap();
    let member = cluster.member(gone.parse().unwrap()).unwrap();
    let failure = member.failure().unwrap().to_string();
    assert!(failure.contains(&gone) && failure.contains(&stranger), "{failure}");
    assert!(cluster.member(stranger.parse().unwrap()).is_err());
}

#[test]
fn nobody_at_the_port_is_told_with_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::tcp("127.0.0.1", listener.local_addr().unwrap().port());
    drop(listener);
    let error = Connection::open(&endpoint, &Settings::default()).unwrap_err();
    assert!(error.is_unreachable() && error.to_string().contains(&endpoint.to_string()), "{error}");
}

#[test]
fn a_password_is_in_no_error() {
    use redistrib_ops::{Credentials, Secret};
    let credentials = Credentials { user: Some("bob".into()), password: Secret::new("s3cret") };
    for text in
        [&b"-WRONGPASS invalid username-password pair\r\n"[..], b"+", b"HTTP\r\n", b":1\r\n"]
    {
        let (endpoint, _end) = serve(answer(text));
        let settings = Settings { credentials: Some(credentials.clone()), ..Settings::default() };
        if let Err(error) = Connection::open(&endpoint, &settings) {
            let told = format!("{error} {error:?}");
            assert!(!told.contains("s3cret"), "{told}");
        }
    }
}
