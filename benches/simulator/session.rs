//! What a node answers on one connection.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::Ordering;

use redistrib_cluster_model::{Flags, NodeId, Slot, SlotSet};
use redistrib_resp::{Reply, ReplyEncoder};

use super::Shared;

/// One connection.
pub(super) struct Session<'a> {
    shared: &'a Shared,
    place: usize,
    stream: &'a TcpStream,
    name: String,
    /// The commands of a transaction that has not been executed yet.
    queued: Option<Vec<Vec<String>>>,
}

impl<'a> Session<'a> {
    pub(super) fn new(shared: &'a Shared, place: usize, stream: &'a TcpStream) -> Self {
        Self { shared, place, stream, name: String::new(), queued: None }
    }

    /// Takes one command, and adds what is answered.
    pub(super) fn take(&mut self, command: &Reply, to: ReplyEncoder) -> ReplyEncoder {
        let words = command.elements().map(|word| word.as_str().unwrap_or_default().to_owned());
        let words: Vec<String> = words.collect();
        self.count(&words);
        match (upper(&words, 1)[..].join(" ").as_str(), &mut self.queued) {
            ("MULTI", _) => {
                self.queued = Some(Vec::new());
                to.simple("OK")
            }
            ("EXEC", queued) => {
                let queued = queued.take().unwrap_or_default();
                let to = to.array(queued.len());
                queued.iter().fold(to, |to, words| self.answer(words, to))
            }
            (_, Some(queued)) => {
                queued.push(words);
                to.simple("QUEUED")
            }
            (_, None) => self.answer(&words, to),
        }
    }

    fn count(&self, words: &[String]) {
        let first = upper(words, 4);
        let shared = self.shared;
        let count = match first.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["CLUSTER", "SETSLOT", _, "NODE"] => &shared.commits,
            ["CLUSTER", "NODES"] => {
                shared.views.fetch_add(1, Ordering::Relaxed);
                &shared.commands
            }
            _ => &shared.commands,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn answer(&mut self, words: &[String], to: ReplyEncoder) -> ReplyEncoder {
        let first = upper(words, 2);
        let rest = words.get(2..).unwrap_or_default();
        match first.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["CLUSTER", what] => self.cluster(what, rest, to),
            ["INFO", ..] => to.bulk(self.info()),
            ["CONFIG", "GET"] => match rest.first().map(String::as_str) {
                Some("cluster-node-timeout") => to.array(2).bulk(&rest[0]).bulk("15000"),
                Some("timeout") => to.array(2).bulk(&rest[0]).bulk("0"),
                _ => to.array(0),
            },
            ["CLIENT", "SETNAME"] => {
                self.name = rest.first().cloned().unwrap_or_default();
                to.simple("OK")
            }
            ["CLIENT", "LIST"] => to.bulk(format!("id=3 name={} age=0 db=0\n", self.name)),
            ["COMMAND", what] if is_setslot(rest) => self.about_setslot(what, to),
            ["COMMAND", _] => to.array(1).null(),
            ["SUBSCRIBE", _] => self.subscribe(&words[1], to),
            ["PUBLISH", _] => self.publish(&words[1], rest.first().map_or("", |it| it), to),
            ["ROLE"] => to.array(3).bulk("master").integer(0).array(0),
            ["DBSIZE"] => to.integer(0),
            ["RANDOMKEY"] => to.null(),
            ["PING"] => to.simple("PONG"),
            ["MIGRATE", ..] => to.simple("NOKEY"),
            ["SELECT", _] | ["ASKING"] | ["READONLY"] => to.simple("OK"),
            _ => to.error("ERR unknown command"),
        }
    }

    fn cluster(&self, what: &str, rest: &[String], to: ReplyEncoder) -> ReplyEncoder {
        match what {
            "NODES" => {
                let fault = self.shared.fault(self.place);
                to.bulk(self.shared.state().view(self.place, fault))
            }
            "INFO" => to.bulk(self.cluster_info()),
            "MYID" => to.bulk(super::state::id(self.place).to_string()),
            "COUNTKEYSINSLOT" => to.integer(0),
            "GETKEYSINSLOT" => to.array(0),
            _ => match self.change(what, rest) {
                Some(()) => to.simple("OK"),
                None => to.error("ERR this is not simulated"),
            },
        }
    }

    /// Changes the cluster as a command says.
    fn change(&self, what: &str, rest: &[String]) -> Option<()> {
        let words: Vec<&str> = rest.iter().map(String::as_str).collect();
        let mut state = self.shared.state_mut();
        match (what, &words[..]) {
            ("SETSLOT", [slot, how, id @ ..]) => {
                let slot = Slot::new(slot.parse().ok()?).ok()?;
                let other = id.first().and_then(|id| id.parse::<NodeId>().ok());
                match (how.to_uppercase().as_str(), other) {
                    ("NODE", Some(id)) => {
                        let owner = state.place_of(id)?;
                        state.assign(self.place, slot, owner);
                    }
                    ("MIGRATING", Some(id)) => {
                        state.change(self.place, |node| node.migrating.push((slot, id)));
                    }
                    ("IMPORTING", Some(id)) => {
                        state.change(self.place, |node| node.importing.push((slot, id)));
                    }
                    ("STABLE", None) => state.change(self.place, |node| {
                        node.migrating.retain(|(open, _)| *open != slot);
                        node.importing.retain(|(open, _)| *open != slot);
                    }),
                    _ => return None,
                }
            }
            ("ADDSLOTS", slots) => {
                let slots = slots.iter().map(|slot| Slot::new(slot.parse().ok()?).ok());
                let slots = slots.collect::<Option<SlotSet>>()?;
                state.change(self.place, |node| node.slots = node.slots.union(&slots));
            }
            ("SET-CONFIG-EPOCH", [epoch]) => {
                let epoch = epoch.parse().ok()?;
                state.change(self.place, |node| node.config_epoch = epoch);
            }
            ("MEET", [_, port, ..]) => {
                let other = state.place_at(port.parse().ok()?)?;
                state.meet(self.place, other);
            }
            ("REPLICATE", [master]) => {
                let master = master.parse().ok()?;
                state.change(self.place, |node| {
                    node.master = Some(master);
                    node.flags = Flags::parse("slave");
                });
            }
            _ => return None,
        }
        Some(())
    }

    fn cluster_info(&self) -> String {
        let (nodes, masters) = self.shared.state().known_to(self.place);
        format!(
            "cluster_enabled:1\r\ncluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n\
             cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:{nodes}\r\ncluster_size:{masters}\r\n"
        )
    }

    fn info(&self) -> String {
        let is_replica = self.shared.state().node(self.place).is_replica();
        let role = if is_replica { "slave" } else { "master" };
        format!("role:{role}\r\n{}", INFO.repeat(INFO_LINES))
    }

    /// What Redis 7.0 says of a command that it documents.
    fn about_setslot(&self, what: &str, to: ReplyEncoder) -> ReplyEncoder {
        match what {
            "INFO" => to.array(1).array(1).bulk("cluster|setslot"),
            _ => to.array(2).bulk("cluster|setslot").array(2).bulk("arguments").bulk("importing"),
        }
    }

    fn subscribe(&self, channel: &str, to: ReplyEncoder) -> ReplyEncoder {
        match self.stream.try_clone() {
            Ok(stream) => {
                self.shared.ears().push((channel.to_owned(), stream));
                to.array(3).bulk("subscribe").bulk(channel).integer(1)
            }
            Err(_) => to.error("ERR no descriptor left"),
        }
    }

    /// Messages need as long to come as answers do.
    fn publish(&self, channel: &str, text: &str, to: ReplyEncoder) -> ReplyEncoder {
        let message = ReplyEncoder::new().array(3).bulk("message").bulk(channel).bulk(text);
        let message = message.into_bytes();
        std::thread::sleep(self.shared.options.delay / 2);
        let mut heard = 0;
        self.shared.ears().retain_mut(|(name, stream)| {
            if name != channel {
                return true;
            }
            heard += 1;
            stream.write_all(&message).is_ok()
        });
        to.integer(heard)
    }
}

/// The first words of a command.
fn upper(words: &[String], count: usize) -> Vec<String> {
    words.iter().take(count).map(|word| word.to_uppercase()).collect()
}

fn is_setslot(rest: &[String]) -> bool {
    rest.first().is_some_and(|name| name == "cluster|setslot")
}

/// About as much as INFO of a real server has.
const INFO_LINES: usize = 12;
const INFO: &str = "# Server\r\nredis_version:7.0.15\r\ncluster_enabled:1\r\nused_memory:2180000\r\nused_memory_rss:9180000\r\n\
     total_system_memory:25769803776\r\ntotal_commands_processed:978\r\ninstantaneous_ops_per_sec:12\r\n\
     total_net_input_bytes:45012\r\ntotal_net_output_bytes:1450120\r\nkeyspace_hits:120\r\nkeyspace_misses:3\r\n\
     rdb_last_bgsave_status:ok\r\naof_last_write_status:ok\r\nconnected_clients:4\r\nmaxmemory:0\r\n\
     master_link_status:up\r\nmaster_sync_in_progress:0\r\nloading:0\r\nuptime_in_seconds:4217\r\n";
