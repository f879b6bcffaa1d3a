//! A cluster that follows its file: plans, saved ones too, settings, and who may log in.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use redistrib_ops::Secret;
use redistrib_ops::lab::{LabOptions, TempLab, TestServer};
use redistrib_ops::model::Slot;
use redistrib_ops::model::declare::SavedPlan;
use serde_json::Value;

use crate::support::{Run, addresses, program, trib, trib_with};

/// Three masters and the folder for the files about them.
struct Ground {
    lab: TempLab,
    folder: tempfile::TempDir,
}

impl Ground {
    fn new(server: &'static str) -> Self {
        let lab = TempLab::cluster(&TestServer::named(server).unwrap(), 3, 0).unwrap();
        Self { lab, folder: tempfile::tempdir().unwrap() }
    }

    fn nodes(&self) -> Vec<String> {
        addresses(&self.lab)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file with these lines before its nodes, of which the first has this weight.
    fn declare(&self, name: &str, lines: &str, weight: f64) -> String {
        let weigh = |(n, at): (usize, &String)| {
            format!("\"{at}\" = {{ weight = {} }}\n", if n == 0 { weight } else { 1.0 })
        };
        let nodes: String = self.nodes().iter().enumerate().map(weigh).collect();
        self.write(name, format!("{lines}\n[nodes]\n{nodes}").as_bytes())
    }

    fn write(&self, name: &str, text: &[u8]) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    fn exec(&self, node: usize, words: &[&str]) -> Run {
        let node = &self.nodes()[node];
        trib(&[&["exec", node.as_str()], words].concat()).expect(0)
    }
}

fn plan(file: &str) -> Run {
    trib(&["plan", file, "--detailed-exitcode"])
}

fn document(run: &Run) -> Value {
    serde_json::from_str(run.stdout.lines().next_back().unwrap()).unwrap()
}

/// The text of a saved plan with a seal that is right.
fn sealed(plan: &str) -> Vec<u8> {
    format!("{plan}\n{{\"seal\":\"{}\"}}\n", SavedPlan::seal(plan.as_bytes())).into_bytes()
}

#[test]
fn a_saved_plan_is_carried_out_once_and_refused_when_the_cluster_has_changed() {
    let ground = Ground::new("redis-8.6");
    let exported = trib(&["export", &ground.nodes()[0]]).expect(0).stdout;
    let same = ground.write("same.toml", exported.as_bytes());
    plan(&same).expect(0).shows(&["[OK] Nothing to do"]);

    let wish = ground.declare("wish.toml", "", 2.0);
    let file = ground.path("saved.plan").display().to_string();
    plan(&wish).expect(2);
    trib(&["plan", &wish]).expect(0);
    let told = trib(&["plan", &wish, "--out", &file, "--json"]).expect(0);
    let fingerprint = document(&told)["fingerprint"].as_str().unwrap().to_owned();
    trib(&["apply", &file, "--dry-run"]).expect(0).shows(&["move 2731 slots"]);
    plan(&wish).expect(2);
    trib(&["apply", &file, "--yes"]).expect(0).shows(&["steps taken: 1."]);
    plan(&wish).expect(0);

    let again = trib(&["apply", &file, "--yes"]).expect(1);
    again.complains(&["is not what the plan was made for", &fingerprint, "owns", "plan anew"]);
    plan(&wish).expect(0);
}

#[test]
fn a_plan_that_is_not_as_it_was_saved_is_refused_before_anything_is_asked() {
    let ground = Ground::new("redis-7.0");
    let wish = ground.declare("wish.toml", "", 2.0);
    let saved = ground.path("saved.plan");
    trib(&["plan", &wish, "--out", &saved.display().to_string()]).expect(0);
    let whole = fs::read_to_string(&saved).unwrap();
    let body = whole.lines().next().unwrap();

    let (_, node) = body.split_once("\"from\":\"").unwrap();
    let flipped = whole.replacen(&node[..14], "127.0.0.1:2999", 1);
    let wrong_type = body.replacen("\"steps\":[", "\"steps\":[7,", 1);
    let odd_slots = body.replacen("\"slots\":[\"", "\"slots\":[\"99999-", 1);
    let other_form = body.replacen("\"redis-trib-plan\":1", "\"redis-trib-plan\":2", 1);
    let deep = format!("{{\"odd\":{}", "[".repeat(100_000));
    for (name, text, told) in [
        ("cut.plan", whole.as_bytes()[..whole.len() / 2].to_vec(), "its end is missing"),
        ("flipped.plan", flipped.into_bytes(), "it is not what was saved"),
        ("type.plan", sealed(&wrong_type), "invalid type: integer `7`"),
        ("slots.plan", sealed(&odd_slots), "99999"),
        ("form.plan", sealed(&other_form), "the plan is of form 2, and only 1 is known"),
        ("deep.plan", sealed(&deep), "recursion limit"),
        ("bytes.plan", vec![b'{', 0xff, 0xfe], "utf-8"),
    ] {
        let file = ground.write(name, &text);
        trib(&["apply", &file, "--yes"]).expect(1).complains(&[name, told]);
    }
    let huge = ground.path("huge.plan");
    File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    for endless in [huge.as_path(), Path::new("/dev/zero")] {
        let endless = endless.display().to_string();
        trib(&["apply", &endless, "--yes"]).expect(1).complains(&[&endless, "too many"]);
    }
    plan(&wish).expect(2);
}

/// Steps that somebody has written into a plan are up to what each operation lets be done.
#[test]
fn a_forged_plan_takes_no_slots_out_of_the_cluster() {
    let ground = Ground::new("redis-7.0");
    let wish = ground.declare("wish.toml", "", 2.0);
    let saved = ground.path("saved.plan");
    trib(&["plan", &wish, "--out", &saved.display().to_string()]).expect(0);
    let text = fs::read_to_string(&saved).unwrap();
    let mut forged: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let owner = forged["observed"]["nodes"][1].clone();
    forged["steps"] =
        serde_json::json!([{"step": "leave", "node": owner["at"], "id": owner["id"]}]);
    let file = ground.write("forged.plan", &sealed(&forged.to_string()));
    trib(&["apply", &file, "--yes"]).expect(1);
    trib(&["check", &ground.nodes()[0]]).expect(0).shows(&["[OK] All 16384 slots covered."]);
}

#[test]
fn what_moves_is_counted_and_timed_by_the_servers_own_figures() {
    let ground = Ground::new("redis-7.0");
    for key in 0..300 {
        write!(
            File::options().append(true).create(true).open(ground.path("keys")).unwrap(),
            "SET key:{key} {}\r\n",
            "v".repeat(100)
        )
        .unwrap();
    }
    let keys = File::open(ground.path("keys")).unwrap();
    let pipe = program().args(["exec", "-c", &ground.nodes()[0], "--pipe"]).stdin(keys).output();
    assert!(pipe.unwrap().status.success());
    let wish = ground.declare("wish.toml", "", 2.0);
    let unknown = trib(&["plan", &wish]).expect(0);
    unknown.shows(&["2731 slots", "the time is unknown, as these servers have moved no keys yet"]);

    let first = document(&trib(&["plan", &wish, "--json"]).expect(0));
    let cost = &first["steps"][0]["cost"];
    assert_eq!(first["moved"], *cost);
    assert_eq!((&cost["slots"], &cost["millis"]), (&2731.into(), &Value::Null));
    let (keys, bytes) = (cost["keys"].as_u64().unwrap(), cost["bytes"].as_u64().unwrap());
    assert!(keys > 20 && bytes > 100 * keys, "{cost}");
    let done = trib(&["apply", &wish, "--yes", "--json"]).expect(0);
    let moved = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        (line["event"] == "keys-moved").then(|| line["keys"].as_u64())?
    };
    assert_eq!(done.stdout.lines().filter_map(moved).sum::<u64>(), keys, "{}", done.stdout);

    let back = ground.declare("back.toml", "", 1.0);
    let second = document(&trib(&["plan", &back, "--json"]).expect(0));
    let told = trib(&["plan", &back]).expect(0);
    assert!(second["moved"]["millis"].is_u64(), "{second}");
    told.shows(&["keys of about", "ms in MIGRATE alone"]);
}

/// All keys are with the first master, and slots are shared evenly.
#[test]
fn masters_share_the_keys_or_the_memory_where_the_file_says_so() {
    for (balance, server) in [("keys", "redis-7.0"), ("memory", "valkey-9.1")] {
        let ground = Ground::new(server);
        let of_first = |key: &String| Slot::of_key(key.as_bytes()).get() < 5461;
        let keys = (0..).map(|n| format!("key:{n}")).filter(of_first).take(600);
        let value = "v".repeat(2000);
        let lines: String = keys.map(|key| format!("SET {key} {value}\r\n")).collect();
        trib_with(&lines, &["exec", &ground.nodes()[0], "--pipe"]).expect(0);

        plan(&ground.declare("slots.toml", "balance = \"slots\"", 1.0)).expect(0);
        let wish = ground.declare("wish.toml", &format!("balance = \"{balance}\""), 1.0);
        plan(&wish).expect(2);
        trib(&["apply", &wish, "--yes"]).expect(0);
        plan(&wish).expect(0).shows(&["[OK] Nothing to do"]);
        let sizes = [0, 1, 2].map(|node| ground.exec(node, &["DBSIZE"]).stdout);
        let sizes = sizes.map(|size| size.trim().parse::<u32>().unwrap());
        let all_have_a_third = sizes.iter().all(|size| size.abs_diff(200) <= 20);
        assert!(all_have_a_third && sizes.iter().sum::<u32>() == 600, "{balance}: {sizes:?}");
    }
}

#[test]
fn all_nodes_get_the_declared_settings() {
    let ground = Ground::new("redis-6.2");
    let settings =
        "rewrite = true\n[settings]\nmaxmemory = \"200mb\"\nmaxmemory-policy = \"noeviction\"";
    let wish = ground.declare("wish.toml", settings, 1.0);
    let value = |node: usize, name: &str| {
        ground.exec(node, &["CONFIG", "GET", name]).stdout.lines().nth(1).unwrap().to_owned()
    };
    plan(&wish)
        .expect(2)
        .shows(&["set maxmemory \"200mb\" on 3 nodes, and write it into their files"]);
    assert_eq!(value(0, "maxmemory"), "0");
    trib(&["apply", &wish, "--yes"]).expect(0);
    for node in 0..3 {
        assert_eq!(value(node, "maxmemory"), "209715200");
    }
    plan(&wish).expect(0);
    ground.exec(1, &["CONFIG", "SET", "maxmemory", "7"]);
    plan(&wish).expect(2).shows(&["on 1 node,", &ground.nodes()[1]]);
    let uneven = trib(&["export", &ground.nodes()[0], "--setting", "maxmemory"]).expect(0);
    assert!(!uneven.stdout.contains("settings"), "{}", uneven.stdout);
    uneven.complains(&["[WARNING] The nodes do not have maxmemory alike: it is left out"]);
    assert!(ground.lab.kill(1));
    ground.lab.restart(1).unwrap();
    plan(&wish).expect(0).shows(&["Nothing to do"]);

    // Without a name for a setting, export has none; with one, what all have alike.
    let exported = trib(&["export", &ground.nodes()[0], "--setting", "maxmemory"]).expect(0);
    exported.shows(&["[settings]\n\"maxmemory\" = \"209715200\"\n"]);
    let bare = trib(&["export", &ground.nodes()[0]]).expect(0);
    assert!(!bare.stdout.contains("settings"), "{}", bare.stdout);

    let odd = ground.declare("odd.toml", "[settings]\nmaxmemroy = 1", 1.0);
    plan(&odd).expect(1).complains(&[&ground.nodes()[0], "has no setting \"maxmemroy\""]);
    let refused = ground.declare("refused.toml", "[settings]\nmaxmemory-policy = \"some\"", 1.0);
    trib(&["apply", &refused, "--yes"]).expect(1).complains(&["CONFIG SET", "maxmemory-policy"]);
    // This server has letters in an order of its own.
    let words = ground.declare("words.toml", "[settings]\nnotify-keyspace-events = \"KEA\"", 1.0);
    let told = trib(&["apply", &words, "--yes"]).expect(1);
    told.complains(&["was told notify-keyspace-events \"KEA\" and has \"AKE\" now"]);
}

#[test]
fn who_logs_in_is_named_in_the_file_and_their_password_is_elsewhere() {
    let options = LabOptions {
        nodes: Some(3),
        replicas: Some(0),
        server: Some(TestServer::named("valkey-8.1").unwrap().program),
        password: Some(Secret::new("s3cret hush")),
        ..LabOptions::default()
    };
    let ground =
        Ground { lab: TempLab::up(options).unwrap(), folder: tempfile::tempdir().unwrap() };
    let named = ground.declare("env.toml", "[credentials]\npassword-env = \"OF_THIS_TEST\"", 1.0);
    let run = |value: &str| -> Run {
        program().args(["plan", &named]).env("OF_THIS_TEST", value).output().unwrap().into()
    };
    run("s3cret hush").expect(0).shows(&["Nothing to do"]);
    let wrong = run("wr0ng hush").expect(1);
    assert!(!wrong.stderr.contains("wr0ng"), "{}", wrong.stderr);
    trib(&["plan", &named]).expect(1).complains(&["the password is to be in OF_THIS_TEST"]);

    let secret = ground.write("secret", b"s3cret hush\n");
    let file = |path: &str| {
        ground.declare("file.toml", &format!("[credentials]\npassword-file = \"{path}\""), 1.0)
    };
    trib(&["plan", &file(&secret)]).expect(0).shows(&["Nothing to do"]);
    trib(&["plan", "none.toml"]).expect(1).complains(&["none.toml: ", "`redis-trib export "]);
    trib(&["plan", &file("/dev/zero")]).expect(1).complains(&["/dev/zero", "too many"]);
    let saved = ground.path("saved.plan").display().to_string();
    trib(&["plan", &file(&secret), "--out", &saved]).expect(0);
    assert!(!fs::read_to_string(&saved).unwrap().contains("hush"));
    trib(&["apply", &saved, "--yes"]).expect(0).shows(&["Nothing to do"]);

    for inline in [
        "password = \"hush\"",
        "[credentials]\npassword = \"hush\"",
        "[settings]\nrequirepass = \"hush\"",
        "[settings]\nprimaryauth = \"hush\"",
    ] {
        let file = ground.declare("inline.toml", inline, 1.0);
        let refused = trib(&["plan", &file]).expect(1);
        assert!(!refused.stderr.contains("hush"), "{}", refused.stderr);
        refused.complains(&["inline.toml, line", "does not stand in this file"]);
    }
}

#[test]
fn a_host_is_drained_and_the_masters_keep_their_replicas() {
    let server = TestServer::named("valkey-9.1").unwrap();
    let lab = TempLab::cluster(&server, 3, 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ground = Ground { lab, folder };
    // Each master on a machine with the replica of another; the seventh node is alone on its own.
    let spare = TempLab::nodes(&server, 2).unwrap();
    let nodes = [ground.nodes(), addresses(&spare)].concat();
    let host = |n: usize| ["m0", "m1", "m2", "m1", "m2", "m0", "m3", "m4"][n];
    let lines: String = nodes
        .iter()
        .enumerate()
        .map(|(n, at)| format!("\"{at}\" = {{ host = \"{}\" }}\n", host(n)))
        .collect();
    let file = |name: &str, drained: &str| {
        ground.write(name, format!("replicas = 1\n{drained}\n[nodes]\n{lines}").as_bytes())
    };
    let drained = file("drained.toml", "drained = [\"m0\"]");
    let planned = plan(&drained).expect(2);
    assert!(!planned.stdout.contains("[WARNING]"), "{}", planned.stdout);
    trib(&["apply", &drained, "--yes"]).expect(0);
    plan(&drained).expect(0).shows(&["Nothing to do"]);
    let told: Value = serde_json::from_str(&trib(&["list", &nodes[1], "--json"]).stdout).unwrap();
    let members = told["nodes"].as_array().unwrap();
    let place = |node: &Value| nodes.iter().position(|at| node["address"] == at.as_str()).unwrap();
    assert!(members.len() == 6 && members.iter().all(|node| host(place(node)) != "m0"), "{told}");
    for replica in members.iter().filter(|node| !node["master"].is_null()) {
        let master = members.iter().find(|node| node["id"] == replica["master"]).unwrap();
        assert_ne!(host(place(replica)), host(place(master)), "{told}");
    }
    trib(&["plan", &file("wrong.toml", "drained = [\"m9\"]")])
        .expect(1)
        .complains(&["line 2: \"m9\" is neither a host nor a zone of a node"]);
}
