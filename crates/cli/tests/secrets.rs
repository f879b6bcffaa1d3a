//! Passwords: they work from every place, and show in none.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use redistrib_ops::Secret;
use redistrib_ops::lab::{LabOptions, TempLab, TestServer};

use crate::support::{program, trib, trib_with};

const PASSWORD: &str = "s3cret hush";

fn guarded() -> (TempLab, String) {
    let server = TestServer::named("redis-7.0").unwrap().program;
    let lab = TempLab::up(LabOptions {
        nodes: Some(3),
        replicas: Some(0),
        server: Some(server),
        password: Some(Secret::new(PASSWORD)),
        ..LabOptions::default()
    })
    .unwrap();
    let seed = lab.endpoints()[0].to_string();
    (lab, seed)
}

#[test]
fn a_password_comes_from_an_option_or_the_environment() {
    let (_lab, seed) = guarded();
    let warned =
        trib(&["info", "-a", PASSWORD, &seed]).expect(0).shows(&["[OK] 0 keys in 3 masters."]);
    assert!(warned.stderr.starts_with("Warning: Using a password with '-a'"), "{}", warned.stderr);
    let silent =
        trib(&["--cluster", "info", &seed, "--pass", PASSWORD, "--no-auth-warning"]).expect(0);
    assert_eq!(silent.stderr, "");
    for variable in ["REDISCLI_AUTH", "VALKEYCLI_AUTH"] {
        let inherited = program().args(["info", &seed]).env(variable, PASSWORD).output().unwrap();
        assert!(inherited.status.success());
    }
    let overruled = program()
        .args(["info", "-a", PASSWORD, &seed])
        .env("VALKEYCLI_AUTH", "wr0ng")
        .output()
        .unwrap();
    assert!(overruled.status.success());
    let piped = format!("{PASSWORD}\nyes\n");
    trib_with(&piped, &["info", "--askpass", &seed]).expect(0);
    trib(&["info", "--askpass", &seed]).expect(1).complains(&["standard input has ended"]);
    trib(&["info", &seed]).expect(1).complains(&["NOAUTH", "REDISCLI_AUTH"]);
    let wrong = trib(&["info", "--no-auth-warning", "-a", "wr0ng", &seed]).expect(1);
    assert!(!wrong.stderr.contains("wr0ng"));
    wrong.complains(&["WRONGPASS", "check the user name and the password"]);
}

/// Each peer has a variable of its own, which comes first under its name. Its words stay where the password was hidden.
#[test]
fn under_a_name_its_own_variable_comes_first() {
    let (_lab, seed) = guarded();
    let auth = ["REDISCLI_AUTH", "VALKEYCLI_AUTH"];
    for (name, [right, wrong], words) in
        [("redis-cli", auth, "3 masters."), ("valkey-cli", [auth[1], auth[0]], "3 primaries.")]
    {
        let called = || {
            let mut command = program();
            command.arg0(name).args(["--cluster", "info", &seed]);
            command
        };
        let own = called().env(right, PASSWORD).env(wrong, "wr0ng").output().unwrap();
        let given = called().args(["-a", PASSWORD]).env(right, "wr0ng").output().unwrap();
        let other = called().env(wrong, PASSWORD).output().unwrap();
        for output in [own, given, other] {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains(words), "{name}: {text}");
        }
    }
}

/// The arguments that a process list shows.
#[cfg(target_os = "linux")]
fn arguments(process: u32) -> String {
    let raw = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&raw).replace('\0', " ")
}

/// A server that takes a connection and never answers keeps the program waiting to be looked at.
#[cfg(target_os = "linux")]
#[test]
fn a_password_leaves_the_process_title_before_anything_is_done() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let child = program()
        .args(["check", &address, "-a", PASSWORD, "--answer-timeout", "60000"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    let shown = arguments(child.id());
    assert!(shown.contains("check") && shown.contains(&address), "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    let mut asked = Vec::new();
    connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while !String::from_utf8_lossy(&asked).contains(PASSWORD) {
        assert!(Instant::now() < until, "the password did not reach the server");
        let mut some = [0; 512];
        let count = connection.read(&mut some).unwrap();
        asked.extend_from_slice(&some[..count]);
    }
    drop((connection, listener));
    let output = child.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains(PASSWORD));
}

/// Where no URI belongs, some write one all the same.
#[test]
fn a_password_in_a_misplaced_uri_is_not_repeated() {
    let uri = "redis://bob:s3cret@h@127.0.0.1:7000";
    for args in [
        &["check", uri][..],
        &["exec", uri, "PING"],
        &[uri],
        &["--cluster", "check", uri],
        &["import", "127.0.0.1:7000", "--from", uri],
    ] {
        let told = trib(args).expect(2);
        assert!(!told.stderr.contains("s3cret"), "{args:?}: {}", told.stderr);
        assert!(told.stderr.contains("redis://***@127.0.0.1:7000"), "{args:?}: {}", told.stderr);
    }
}
