//! Keys of every type and encoding with names of every sort, and a check that each is what it was.

use std::hash::{DefaultHasher, Hasher};
use std::time::{Duration, Instant};

use redistrib_ops::Error;
use redistrib_resp::{Command, Reply};

use crate::router::Router;

/// How far a time to live may drift on its way to another node.
const DRIFT: Duration = Duration::from_secs(20);

/// How large the large animals are.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Elements of the collections that outgrow their compact encodings.
    pub elements: usize,
    /// Bytes of the largest value.
    pub bytes: usize,
}

/// Keys as they were when they were written.
#[derive(Debug)]
pub struct Zoo {
    animals: Vec<Animal>,
    seen: Instant,
}

#[derive(Debug)]
struct Animal {
    name: Vec<u8>,
    likeness: Likeness,
    /// May be gone when looked at again.
    fleeting: bool,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Likeness {
    sort: Vec<u8>,
    digest: u64,
    /// Of the elements, however the server has arranged them.
    content: u64,
    /// Milliseconds to live; negative for ever.
    ttl: i64,
}

impl Zoo {
    /// Writes the keys.
    ///
    /// # Errors
    /// Those of [`Router::call`], and a refusal.
    pub fn plant(router: &mut Router, size: Size) -> Result<Self, Error> {
        let mut names = Vec::new();
        for (name, command) in inhabitants(size) {
            send(router, &name, &command)?;
            names.push(name);
        }
        names.sort();
        names.dedup();
        let mut zoo = Self { animals: Vec::new(), seen: Instant::now() };
        for name in names {
            let fleeting = name.starts_with(b"zoo:fleeting");
            if let Some(likeness) = look(router, &name)? {
                zoo.animals.push(Animal { name, likeness, fleeting });
            }
        }
        zoo.seen = Instant::now();
        Ok(zoo)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.animals.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.animals.is_empty()
    }

    /// Looks at each key again and returns what is not as it was, to the byte of its serialised form.
    ///
    /// # Errors
    /// Those of [`Router::call`], and a refusal.
    pub fn check(&self, router: &mut Router) -> Result<Vec<String>, Error> {
        self.compare(router, |one, other| one.digest == other.digest)
    }

    /// The same for servers that rebuild lists and streams at the target: what is in them counts, not
    /// how it is laid out.
    ///
    /// # Errors
    /// Those of [`Zoo::check`].
    pub fn check_content(&self, router: &mut Router) -> Result<Vec<String>, Error> {
        self.compare(router, |one, other| one.content == other.content)
    }

    fn compare(
        &self,
        router: &mut Router,
        same: impl Fn(&Likeness, &Likeness) -> bool,
    ) -> Result<Vec<String>, Error> {
        let mut complaints = Vec::new();
        for animal in &self.animals {
            let name = animal.name.escape_ascii();
            match look(router, &animal.name)? {
                None if animal.fleeting => {}
                None => complaints.push(format!("{name} is gone")),
                Some(now)
                    if animal.likeness.matches(&now, self.seen.elapsed())
                        && same(&animal.likeness, &now) => {}
                Some(now) => {
                    complaints.push(format!("{name} was {:?} and is {now:?}", animal.likeness));
                }
            }
        }
        Ok(complaints)
    }
}

impl Likeness {
    fn matches(&self, later: &Self, elapsed: Duration) -> bool {
        let expected = self.ttl - i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        let drift = later.ttl.abs_diff(expected);
        let lives_as_long = match (self.ttl < 0, later.ttl < 0) {
            (true, true) => true,
            (false, false) => u128::from(drift) < DRIFT.as_millis(),
            _ => false,
        };
        self.sort == later.sort && lives_as_long
    }
}

/// The key's likeness, if it is there.
fn look(router: &mut Router, name: &[u8]) -> Result<Option<Likeness>, Error> {
    let ask = |word: &str| Command::new(word).arg(name);
    let sort = send(router, name, &ask("TYPE"))?;
    let sort = sort.view().as_bytes().unwrap_or_default().to_vec();
    if sort == b"none" {
        return Ok(None);
    }
    let encoding = send(router, name, &Command::new("OBJECT").arg("ENCODING").arg(name));
    let encoding = encoding.ok().and_then(|reply| reply.view().as_bytes().map(<[u8]>::to_vec));
    // The order of a hash table is each server's own; all else has one serialised form.
    let digest = match (sort.as_slice(), encoding.as_deref()) {
        (b"set", Some(b"hashtable")) => unordered(&send(router, name, &ask("SMEMBERS"))?, 1),
        (b"hash", Some(b"hashtable")) => unordered(&send(router, name, &ask("HGETALL"))?, 2),
        _ => digest(send(router, name, &ask("DUMP"))?.wire()),
    };
    let content = match sort.as_slice() {
        b"list" => self::digest(send(router, name, &ask("LRANGE").arg(0).arg(-1))?.wire()),
        b"stream" => {
            let entries = send(router, name, &ask("XRANGE").arg("-").arg("+"))?;
            let groups = send(router, name, &Command::new("XINFO").arg("GROUPS").arg(name))?;
            self::digest(&[entries.wire(), groups.wire()].concat())
        }
        _ => digest,
    };
    let ttl = send(router, name, &ask("PTTL"))?.view().as_int().unwrap_or(-2);
    Ok(Some(Likeness { sort, digest, content, ttl }))
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The digest of elements taken `group` at a time, in whatever order the groups come.
fn unordered(reply: &Reply, group: usize) -> u64 {
    let elements: Vec<&[u8]> = reply.view().elements().map(|element| element.wire()).collect();
    let digests = elements.chunks(group).map(|group| digest(&group.concat()));
    digests.fold(0, u64::wrapping_add)
}

fn send(router: &mut Router, name: &[u8], command: &Command) -> Result<Reply, Error> {
    let reply = router.call(name, command)?;
    match reply.view().as_error() {
        None => Ok(reply),
        Some(text) => {
            let (reply, slot) =
                (text.escape_ascii().to_string(), redistrib_cluster_model::Slot::of_key(name));
            let command = format!("{} of {}", command.name().escape_ascii(), name.escape_ascii());
            Err(Error::Refused { node: router.guess(slot, 0), command, reply })
        }
    }
}

type Step = (Vec<u8>, Command);

fn inhabitants(size: Size) -> Vec<Step> {
    [
        strings(size),
        collections(3, "small"),
        collections(size.elements, "large"),
        names(),
        streams(),
    ]
    .concat()
}

/// The command that makes a key, with the arguments behind its name.
fn step(name: impl AsRef<[u8]>, words: &[&str]) -> Step {
    let (first, rest) = words.split_first().map_or(("PING", words), |(first, rest)| (*first, rest));
    let command = Command::new(first).arg(name.as_ref()).args_from(rest);
    (name.as_ref().to_vec(), command)
}

fn strings(size: Size) -> Vec<Step> {
    let big = noise(size.bytes);
    let binary: Vec<u8> = (0..=255).collect();
    vec![
        step("zoo:empty", &["SET", ""]),
        step("zoo:int", &["SET", "12345"]),
        step("zoo:negative", &["SET", "-9223372036854775808"]),
        step("zoo:embstr", &["SET", "a short text"]),
        step("zoo:raw", &["SET", &"long ".repeat(50)]),
        step("zoo:float", &["INCRBYFLOAT", "3.0e3"]),
        step("zoo:bits", &["SETBIT", "100003", "1"]),
        step("zoo:loglog", &["PFADD", "a", "b", "c"]),
        step("zoo:expiring", &["SET", "later", "PX", "3600000"]),
        step("zoo:fleeting", &["SET", "soon", "PX", "700"]),
        (b"zoo:binary".to_vec(), Command::new("SET").arg("zoo:binary").arg(binary)),
        (b"zoo:big".to_vec(), Command::new("SET").arg("zoo:big").arg(big)),
    ]
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.extend((state >> 16).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn collections(elements: usize, label: &str) -> Vec<Step> {
    let many = |word: &str, kind: &str, each: &dyn Fn(usize, &mut Vec<String>)| {
        let name = format!("zoo:{kind}:{label}");
        let mut words = vec![word.to_owned()];
        (0..elements).for_each(|number| each(number, &mut words));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        step(name, &words)
    };
    vec![
        many("RPUSH", "list", &|n, words| words.push(format!("element {n}"))),
        many("SADD", "intset", &|n, words| words.push(n.to_string())),
        many("SADD", "set", &|n, words| words.push(format!("member {n}"))),
        many("HSET", "hash", &|n, words| words.extend([format!("field {n}"), n.to_string()])),
        many("ZADD", "zset", &|n, words| words.extend([format!("{n}.25"), format!("member {n}")])),
        many("GEOADD", "geo", &|n, words| {
            words.extend([format!("{}.5", n % 180), format!("{}.5", n % 85), format!("place {n}")]);
        }),
        many("RPUSH", "wide", &|n, words| words.push(format!("{n}").repeat(2000 / (n % 7 + 1)))),
    ]
}

fn names() -> Vec<Step> {
    let long = "n".repeat(10_000);
    let odd: [&[u8]; 12] = [
        b"",
        b" ",
        b"with\nnewline",
        b"with\r\nboth",
        b"$5\r\nhello\r\n",
        b"\0",
        b"\xff\xfe\x00\x01",
        b"{}empty tag",
        b"{open",
        b"}{",
        "schl\u{fc}ssel \u{1f511}".as_bytes(),
        long.as_bytes(),
    ];
    odd.iter().map(|name| step(name, &["SET", "named"])).collect()
}

fn streams() -> Vec<Step> {
    let name = "zoo:stream";
    let group = |verb: &str, rest: &[&str]| {
        let command = Command::new("XGROUP").arg(verb).arg(name).args_from(rest);
        (name.as_bytes().to_vec(), command)
    };
    let read = Command::from_args(["XREADGROUP", "GROUP", "workers", "ann", "COUNT", "20"]);
    let read = read.args_from(["STREAMS", name, ">"]);
    let mut steps: Vec<Step> = (1..=200)
        .map(|number| step(name, &["XADD", &format!("{number}-1"), "field", "value"]))
        .collect();
    steps.push(group("CREATE", &["workers", "0"]));
    steps.push(group("CREATE", &["idlers", "$"]));
    steps.push((name.as_bytes().to_vec(), read));
    steps.push(step(name, &["XACK", "workers", "1-1", "2-1"]));
    steps.push(step(name, &["XDEL", "150-1"]));
    steps
}
