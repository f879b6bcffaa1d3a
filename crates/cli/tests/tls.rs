//! Servers that speak TLS alone, with certificates made here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer};
use redistrib_ops::{Credentials, Secret, Settings, TlsOptions, TlsSettings};

use crate::replay::{options, redis_cli, replay, run};

/// An authority, a certificate for servers on this machine and one for clients.
struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Of its own, or OpenSSL takes what it signs for self-signed.
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        for (file, names) in [
            ("server", &["localhost", "127.0.0.1"][..]),
            ("elsewhere", &["elsewhere.example"]),
            ("client", &["tom"]),
        ] {
            let key = KeyPair::generate().unwrap();
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let params = CertificateParams::new(names).unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            fs::write(folder.path().join(format!("{file}.crt")), certificate.pem()).unwrap();
            fs::write(folder.path().join(format!("{file}.key")), key.serialize_pem()).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// redis-cli's options for a client that has all it needs.
    fn trusted(&self) -> String {
        format!(
            "--tls --cacert {} --cert {} --key {}",
            self.text("ca.crt"),
            self.text("client.crt"),
            self.text("client.key")
        )
    }

    fn lab(&self, layout: Layout, nodes: usize) -> TempLab {
        self.lab_as("server", layout, nodes, &[])
    }

    /// Servers that show this certificate, with further lines of configuration.
    fn lab_as(&self, name: &str, layout: Layout, nodes: usize, more: &[&str]) -> TempLab {
        let mut config = vec![
            "port 0".to_owned(),
            "tls-port {port}".to_owned(),
            format!("tls-cert-file {}", self.text(&format!("{name}.crt"))),
            format!("tls-key-file {}", self.text(&format!("{name}.key"))),
            format!("tls-ca-cert-file {}", self.text("ca.crt")),
            "tls-cluster yes".to_owned(),
            "tls-replication yes".to_owned(),
        ];
        config.extend(more.iter().map(|line| (*line).to_owned()));
        let tls = TlsOptions {
            cacert: Some(self.path(if name == "self" { "self.crt" } else { "ca.crt" })),
            cert: Some(self.path("client.crt")),
            key: Some(self.path("client.key")),
            ..TlsOptions::default()
        };
        let settings = Settings {
            tls: Some(TlsSettings::load(&tls).unwrap()),
            credentials: Some(Credentials { user: None, password: Secret::new("mypass") }),
            ..Settings::default()
        };
        let lab = LabOptions {
            nodes: Some(nodes),
            replicas: Some(0),
            layout: Some(layout),
            server: Some(TestServer::named("redis-7.0").unwrap().program),
            password: Some(Secret::new("mypass")),
            config,
            ..LabOptions::default()
        };
        TempLab::up_with(lab, &settings).unwrap()
    }
}

fn port(lab: &TempLab, index: usize) -> u16 {
    lab.endpoints()[index].port().unwrap()
}

/// What a PING brings.
fn ping(line: &str) -> (String, String) {
    let output = run(redis_cli(&options(&format!("{line} -a mypass --no-auth-warning ping"))), b"");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn trust_and_names_are_checked_and_told() {
    let certificates = Certificates::new();
    let lab = certificates.lab(Layout::Plain, 1);
    let (trusted, at) = (certificates.trusted(), format!("-p {}", port(&lab, 0)));
    assert_eq!(ping(&format!("{trusted} {at}")).0, "PONG\n");
    assert_eq!(ping(&format!("{trusted} -h localhost {at}")).0, "PONG\n");
    assert_eq!(ping(&format!("{trusted} --verify-name -h localhost {at}")).0, "PONG\n");
    let (cert, key) = (certificates.text("client.crt"), certificates.text("client.key"));
    let mine = format!("--cert {cert} --key {key}");
    assert_eq!(ping(&format!("--tls --insecure {mine} {at}")).0, "PONG\n");
    let folder = Path::new(&certificates.text("authorities")).to_owned();
    fs::create_dir(&folder).unwrap();
    fs::copy(certificates.path("ca.crt"), folder.join("ca.crt")).unwrap();
    let cacertdir = format!("--tls --cacertdir {} {mine} {at}", folder.display());
    assert_eq!(ping(&cacertdir).0, "PONG\n");

    let other = Certificates::new();
    for (line, word) in [
        (
            format!("--tls --cacert {} {mine} {at}", other.text("ca.crt")),
            "not trusted: name it with --cacert",
        ),
        (format!("{trusted} --sni wrong.example {at}"), "give that with --sni"),
        (format!("--tls --cacert {} {at}", certificates.text("ca.crt")), "give --cert and --key"),
        (format!("--tls --cacert /nosuch.crt {at}"), "/nosuch.crt"),
        (at.clone(), "give --tls"),
    ] {
        let (out, complaint) = ping(&line);
        assert_eq!(out, "", "{line}");
        assert!(complaint.contains(word), "{line}: {complaint}");
    }
}

#[test]
fn a_certificate_for_another_name_will_do_unless_names_are_to_be_checked() {
    let certificates = Certificates::new();
    let lab = certificates.lab_as("elsewhere", Layout::Plain, 1, &[]);
    let line = format!("{} -h localhost -p {}", certificates.trusted(), port(&lab, 0));
    assert_eq!(ping(&line).0, "PONG\n");
    assert_eq!(ping(&format!("{line} --sni elsewhere.example")).0, "PONG\n");
    for check in ["--verify-name", "--sni localhost"] {
        let (out, complaint) = ping(&format!("{line} {check}"));
        assert!(out.is_empty() && complaint.contains("not valid for name"), "{out}{complaint}");
    }
}

/// Certificates as Redis's own script for its tests makes them, with openssl(1): all have a common name alone;
/// `server` has extensions, `redis` none, which makes it version 1, and `self` is signed by itself.
fn as_the_redis_script() -> Option<Certificates> {
    let made = Certificates { folder: tempfile::tempdir().unwrap() };
    let script = "set -e
        request() { openssl req -new -newkey rsa:2048 -nodes -sha256 -keyout $1.key -subj \"$2\" $3; }
        sign() { openssl x509 -req -sha256 -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out $1.crt $2; }
        request ca '/O=Redis Test/CN=Certificate Authority' '-x509 -days 2 -out ca.crt'
        echo 'keyUsage = digitalSignature, keyEncipherment' > server.cnf
        echo 'nsCertType = server' >> server.cnf
        request server '/O=Redis Test/CN=Server-only' | sign server '-extfile server.cnf'
        request redis '/O=Redis Test/CN=Generic-cert' | sign redis
        request client '/O=Redis Test/CN=Client-only' | sign client
        request self '/CN=redis.example' '-x509 -days 2 -out self.crt'";
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", script]).current_dir(made.folder.path()).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(127) {
        eprintln!("no openssl here: not tested with certificates of version 1");
        return None;
    }
    assert!(output.status.success(), "{complaint}");
    Some(made)
}

#[test]
fn certificates_of_the_redis_script_are_good_and_those_of_another_are_not() {
    let (Some(made), Some(other)) = (as_the_redis_script(), as_the_redis_script()) else { return };
    let version = |name: &str| {
        let mut openssl = Command::new("openssl");
        let shown = openssl.args(["x509", "-noout", "-text", "-in", &made.text(name)]).output();
        String::from_utf8_lossy(&shown.unwrap().stdout).contains("Version: 1 (")
    };
    assert!(version("redis.crt") && !version("server.crt"));
    for (name, common) in [("redis", "generic-cert"), ("server", "Server-only")] {
        for protocol in ["TLSv1.2", "TLSv1.3"] {
            let only = format!("tls-protocols {protocol}");
            let lab = made.lab_as(name, Layout::Plain, 1, &[&only]);
            let (trusted, at) = (made.trusted(), format!("-p {}", port(&lab, 0)));
            assert_eq!(
                ping(&format!("{trusted} {at}")),
                ("PONG\n".into(), String::new()),
                "{only}"
            );
            assert_eq!(ping(&format!("{trusted} --sni {common} {at}")).0, "PONG\n", "{only}");
            let mine = format!(
                "--tls --cert {} --key {} {at}",
                made.text("client.crt"),
                made.text("client.key")
            );
            assert_eq!(ping(&format!("{mine} --insecure")).0, "PONG\n", "{only}");
            for (line, word) in [
                (format!("{mine} --cacert {}", other.text("ca.crt")), "not trusted"),
                (format!("{trusted} --verify-name {at}"), "not valid for name"),
            ] {
                let (out, complaint) = ping(&line);
                assert_eq!(out, "", "{line}");
                assert!(complaint.contains(word), "{line}: {complaint}");
            }
        }
    }
}

#[test]
fn a_server_that_signs_for_itself_is_trusted_by_its_own_certificate() {
    let (Some(made), Some(other)) = (as_the_redis_script(), as_the_redis_script()) else { return };
    let lab = made.lab_as("self", Layout::Plain, 1, &["tls-auth-clients no"]);
    let at = format!("-p {}", port(&lab, 0));
    let by = |made: &Certificates| ping(&format!("--tls --cacert {} {at}", made.text("self.crt")));
    assert_eq!(by(&made).0, "PONG\n", "{}", by(&made).1);
    assert_eq!(ping(&format!("--tls --insecure {at}")).0, "PONG\n");
    let (out, complaint) = by(&other);
    assert!(out.is_empty() && complaint.contains("not trusted"), "{out}{complaint}");
}

#[test]
fn nodes_are_reached_by_the_names_they_announce_where_names_are_checked() {
    let certificates = Certificates::new();
    // The certificate is for localhost and 127.0.0.1; the nodes know each other as 127.0.0.1.
    for (name, fine) in [("localhost", true), ("other.localhost", false)] {
        let announced = format!("cluster-announce-hostname {name}");
        let lab = certificates.lab_as("server", Layout::Cluster, 3, &[&announced]);
        let connect = format!("-a mypass --no-auth-warning {}", certificates.trusted());
        let at = format!("localhost:{}", port(&lab, 0));
        let check = |more: &str| {
            let line = format!("--cluster check {at} {connect} {more}");
            run(redis_cli(&options(&line)), b"").status.success()
        };
        assert!(check(""), "{name}");
        assert_eq!(check("--verify-name"), fine, "{name}");
    }
}

#[test]
fn a_tls_port_is_not_a_plain_one() {
    let server = TestServer::named("redis-7.0").unwrap();
    let lab = TempLab::plain(&server, 1).unwrap();
    let (_, complaint) = ping(&format!("--tls --insecure -p {}", port(&lab, 0)));
    assert!(complaint.contains("leave --tls out"), "{complaint}");
}

#[test]
fn a_cluster_behind_tls_and_a_password_is_followed_and_checked() {
    let certificates = Certificates::new();
    let lab = certificates.lab(Layout::Cluster, 3);
    let [a, b, c] = [0, 1, 2].map(|index| port(&lab, index));
    let line = format!("-c -p {a} -a mypass --no-auth-warning {}", certificates.trusted());
    replay(
        &options(&line),
        &format!(
            "
        > set foo bar
        -> Redirected to slot [12182] located at 127.0.0.1:{c}
        OK
        > set weather nice
        -> Redirected to slot [8949] located at 127.0.0.1:{b}
        OK
        > get foo
        -> Redirected to slot [12182] located at 127.0.0.1:{c}
        \"bar\"
        "
        ),
    );
    let commands: String = (0..500).map(|n| format!("SET key:{n} {n}\r\n")).collect();
    let output = run(redis_cli(&options(&format!("{line} --pipe"))), commands.as_bytes());
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.ends_with("errors: 0, replies: 500\n"), "{out}");
    let connect = format!("-a mypass --no-auth-warning {}", certificates.trusted());
    let check = run(redis_cli(&options(&format!("--cluster check 127.0.0.1:{a} {connect}"))), b"");
    let out = String::from_utf8_lossy(&check.stdout);
    assert!(out.contains("[OK] All 16384 slots covered."), "{out}");
}
