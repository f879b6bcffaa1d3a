//! Whatever befalls a run at a random moment, no acknowledged write is lost and another run mends what is left: the
//! tool dies, a connection is cut, a node hangs, dies, or changes places with its replica.
//!
//! Each cluster has replicas and live writers. Slots move by the servers' own means, or by MIGRATE where several
//! databases hold keys or it is asked for.

use std::thread;
use std::time::{Duration, Instant};

use redistrib_benches::load::Dice;
use redistrib_benches::proxy::{self, Fault, Line};
use redistrib_resp::Command;

use crate::fire::field::Field;
use crate::fire::tool::{End, Ended, Running, fix, reshard, reshard_at, start, trib, with};
use crate::fire::{rounds, tell};

const SLOTS: usize = 2000;
const IMPATIENT: [&str; 4] = ["--timeout", "3000", "--answer-timeout", "2000"];
/// No run may take longer: it gives up 3 s without progress, nodes that do not answer for 2 s, and nodes that do not
/// agree after 30 s.
const DEADLINE: Duration = Duration::from_secs(60);

/// What befalls a run. Indices are those of servers.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// The tool ends.
    Ends(End),
    /// The tool's own connection breaks at a random command.
    LineBreaks(proxy::Harm),
    /// The connection over which slots or keys go from source to target is closed.
    LinkBreaks,
    Hangs(usize),
    Dies(usize),
    /// The replica of this master takes its place.
    FailsOver(usize),
}

/// One sort of harm, in its forms by turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    End,
    Cut,
    Hang,
    Death,
    Failover,
}

impl Sort {
    fn harm(self, round: usize, [source, target]: [usize; 2]) -> Harm {
        let either = [source, target][round % 2];
        match self {
            Self::End => Harm::Ends(End::of(round)),
            Self::Cut => match round % 4 {
                0 => Harm::LineBreaks(proxy::Harm::Cut),
                2 => Harm::LineBreaks(proxy::Harm::LoseReply),
                _ => Harm::LinkBreaks,
            },
            Self::Hang => Harm::Hangs(either),
            Self::Death => Harm::Dies(either),
            Self::Failover => Harm::FailsOver(either),
        }
    }
}

/// How slots move, and where keys are.
struct Way {
    server: &'static str,
    databases: &'static [u32],
    options: &'static [&'static str],
}

/// The servers' own way where there is one database.
const REDIS: Way = Way { server: "redis-8.6", databases: &[0], options: &[] };
const VALKEY: Way = Way { server: "valkey-9.1", databases: &[0], options: &[] };
const REDIS_BY_KEYS: Way = Way { options: &["--atomic", "never"], ..REDIS };
const REDIS_7: Way = Way { server: "redis-7.0", ..REDIS };
const VALKEY_BY_KEYS: Way = Way { options: &["--atomic", "never"], ..VALKEY };
const VALKEY_DATABASES: Way = Way { databases: &[0, 3, 9], ..VALKEY };

struct Fire {
    field: Field,
    line: Line,
    dice: Dice,
    options: Vec<&'static str>,
    /// How long a run takes that nothing befalls, and how many commands it sends.
    usual: Duration,
    commands: u64,
}

impl Fire {
    fn of(way: &Way, sort: Sort) -> Self {
        // As long as a master does not know that it has been replaced, it answers with what it has.
        let readers = usize::from(sort != Sort::Failover);
        let field = Field::of(way.server, way.databases, sort == Sort::Death, readers);
        let line = Line::to(field.stage.ports(), Duration::ZERO).unwrap();
        let options = [&IMPATIENT[..], way.options].concat();
        let dice = Dice::new(0xF1EE);
        let (usual, commands) = (Duration::ZERO, 0);
        let mut fire = Self { field, line, dice, options, usual, commands };
        let before = fire.line.commands();
        let whole = trib(&fire.over_the_line(fire.field.ends())).succeeded();
        (fire.usual, fire.commands) = (whole.took, fire.line.commands() - before);
        fire
    }

    fn command(&self, [from, to]: [usize; 2]) -> Vec<String> {
        with(reshard(&self.field.stage, from, to, SLOTS), &self.options)
    }

    fn over_the_line(&self, [from, to]: [usize; 2]) -> Vec<String> {
        let seed = self.line.port_of(self.field.stage.port(from)).unwrap();
        let seed = format!("127.0.0.1:{seed}");
        with(reshard_at(&seed, &self.field.stage, from, to, SLOTS), &self.options)
    }

    fn random(&mut self, below: Duration) -> Duration {
        below.mul_f64(self.dice.below(1000) as f64 / 1000.0)
    }

    /// Starts a run and returns at a random moment of it.
    fn begin(&mut self, command: &[String]) -> Running {
        let running = start(command);
        thread::sleep(self.random(self.usual.mul_f64(1.2)));
        running
    }

    fn befall(&mut self, harm: Harm, ends: [usize; 2]) -> Ended {
        if let Harm::LineBreaks(harm) = harm {
            let at = self.dice.below(usize::try_from(self.commands).unwrap()) as u64;
            self.line.arm(Fault { at, only: None, harm });
            let ended = trib(&self.over_the_line(ends));
            self.line.disarm();
            return ended;
        }
        let mut running = self.begin(&self.command(ends));
        let stage = &self.field.stage;
        match harm {
            Harm::Ends(end) => return running.stop(end),
            Harm::LineBreaks(_) => {}
            Harm::LinkBreaks => {
                while !running.has_ended() && !ends.iter().any(|index| self.close_links(*index)) {}
            }
            Harm::Hangs(index) => {
                stage.lab.pause(index).unwrap();
                let length = self.random(Duration::from_secs(4));
                thread::sleep(length);
                self.field.stage.lab.resume(index).unwrap();
            }
            Harm::Dies(index) => {
                stage.lab.kill(index);
                // A node that stays dead is waited for until its replica could have taken over: seldom is enough.
                let stays_dead = self.dice.below(8) == 0;
                let length = self.random(Duration::from_secs(8));
                let since = Instant::now();
                while (stays_dead || since.elapsed() < length) && !running.has_ended() {
                    thread::sleep(Duration::from_millis(5));
                }
                self.field.stage.lab.restart(index).unwrap();
            }
            Harm::FailsOver(index) => {
                let failover = Command::from_args(["CLUSTER", "FAILOVER"]);
                // One of an earlier round may come about only now.
                let _ = stage.call(Field::partner(index), &failover);
            }
        }
        running.wait()
    }

    /// Closes a node's connections over which slots or keys come in or go out, but for those to its replica. Tells
    /// whether there were any.
    fn close_links(&self, index: usize) -> bool {
        let stage = &self.field.stage;
        let list = stage.call(index, &Command::from_args(["CLIENT", "LIST"])).unwrap();
        let list = list.view().as_str().unwrap().to_owned();
        let carries = |line: &&str| {
            let commands = ["cmd=cluster|syncslots", "cmd=restore"];
            commands.iter().any(|command| line.contains(command))
        };
        let id = |line: &str| line.split([' ', '=']).nth(1).map(str::to_owned);
        let ids: Vec<String> = list.lines().filter(carries).filter_map(id).collect();
        for id in &ids {
            // It may have been closed meanwhile.
            let _ = stage.call(index, &Command::from_args(["CLIENT", "KILL", "ID", id]));
        }
        !ids.is_empty()
    }

    /// Another run mends what is open: `fix`, or where nobody else is master now the same command, by turns. A node that
    /// died in the middle of a MIGRATE may have left a key in two places: which value is right the user has to say.
    fn mend(&self, round: usize, harm: Harm, ends: [usize; 2]) -> Ended {
        let command = match (harm, round / 2 % 2) {
            (Harm::FailsOver(_), _) | (_, 0) => fix(&self.field.stage.address(round % 6)),
            _ => self.command(ends),
        };
        let ended = trib(&command);
        let waits = "one value at the source and another at the target";
        match (harm, ended.text.contains(waits)) {
            (Harm::Dies(_), true) => trib(&with(command, &["--replace"])),
            _ => ended,
        }
    }
}

/// Moves slots to and fro while something befalls each run; another run mends what is left, and nothing is lost. What
/// has no rounds otherwise is for long runs alone.
fn survives(way: &Way, sort: Sort, few: usize) {
    let count = rounds(few, 200);
    if count == 0 {
        return;
    }
    let mut fire = Fire::of(way, sort);
    let name = format!("{} {:?} {:?} {sort:?}", way.server, way.databases, way.options);
    let (mut longest, mut unharmed, mut keys) = (Duration::ZERO, 0, 0);
    let since = Instant::now();
    for round in 0..count {
        let ends = fire.field.ends();
        let harm = sort.harm(round, ends);
        let ended = fire.befall(harm, ends);
        unharmed += usize::from(ended.code == Some(0));
        fire.field.wait_until_well();
        let mended = fire.mend(round, harm, ends);
        longest = longest.max(ended.took).max(mended.took);
        let story = format!(
            "{name}, round {round}, {harm:?}: {:?} {}\nthen {:?} {}",
            ended.code, ended.text, mended.code, mended.text
        );
        assert_eq!(mended.code, Some(0), "{story}");
        assert!(longest < DEADLINE, "{longest:?}, {story}");
        keys += fire.field.assert_sound(&story);
        let (one, two) = (ended.took, mended.took);
        let last = ended.text.lines().last().unwrap_or_default();
        tell(&format!("{name}: round {round} {harm:?} {one:?} {last}, mended in {two:?}"));
    }
    let told = fire.field.finish();
    println!(
        "{name}: {count} rounds in {:?}, {keys} keys looked at, {unharmed} runs done all the same, longest run \
         {longest:?} of {DEADLINE:?}, {told}",
        since.elapsed()
    );
}

macro_rules! on_each_way {
    ($($name:ident: $sort:ident, $($module:ident $way:ident $few:literal),+;)*) => {$(
        mod $name {
            $(#[test] fn $module() { super::survives(&super::$way, super::Sort::$sort, $few); })+
        }
    )*};
}

// No replica of Redis takes over here. It may crash where that meets a handing over of slots, it counts votes of earlier
// elections, and by MIGRATE the successor of a source knows of no open slot, so that clients make anew what the target has.
// Nor one of Valkey while the servers move slots themselves: they lose acknowledged writes then, without any tool, too.
on_each_way! {
    nothing_is_lost_where_the_tool_ends: End, redis REDIS 3, valkey VALKEY 3, databases VALKEY_DATABASES 2,
        redis_by_keys REDIS_BY_KEYS 0, valkey_by_keys VALKEY_BY_KEYS 0;
    nothing_is_lost_where_a_connection_breaks: Cut, redis REDIS 2, valkey VALKEY 2, databases VALKEY_DATABASES 2,
        redis_by_keys REDIS_BY_KEYS 0;
    nothing_is_lost_where_a_node_hangs: Hang, redis REDIS 1, valkey VALKEY 1, databases VALKEY_DATABASES 0,
        redis_by_keys REDIS_BY_KEYS 0, redis_7 REDIS_7 0;
    nothing_is_lost_where_a_node_dies: Death, redis REDIS 2, valkey VALKEY 2, databases VALKEY_DATABASES 0,
        redis_by_keys REDIS_BY_KEYS 0, redis_7 REDIS_7 0;
    nothing_is_lost_where_a_replica_takes_over: Failover, valkey_by_keys VALKEY_BY_KEYS 1,
        databases VALKEY_DATABASES 0;
}
