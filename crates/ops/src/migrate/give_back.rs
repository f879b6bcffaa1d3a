//! A source that does not simply agree that its slots have a new owner.
//!
//! It may have learned of that from the target itself. Then it refuses the command or closes the connection, since it
//! has become the target's replica with its last slot, and nothing is wrong. What it is now, it is asked.
//!
//! Or it holds keys of a slot after all. It would delete them at the next news of the target. So the target gives such a
//! slot back before anything else: the slot is again as it was before, on its way, with some of its keys at each end.

use std::thread;
use std::time::{Duration, Instant};

use redistrib_cluster_model::SlotSet;
use redistrib_resp::{Command, Reply};

use super::pair::PairWork;
use super::ready::not_ready;
use super::taking::Taking;
use super::{commands, counts};
use crate::cluster::read_topology;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cluster, Pair, Stop};

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(20);

impl PairWork<'_> {
    /// Makes sure that the source knows of the slots' new owner, after it has answered what it was told like this.
    ///
    /// # Errors
    /// The source's own, if it stays with it or has turned out to hold keys: the target has given these slots back.
    pub(super) fn confirm(
        &mut self,
        cluster: &mut Cluster,
        slots: &SlotSet,
        told: Result<Vec<Reply>>,
    ) -> Result<()> {
        let mut outcome = told.and_then(|replies| self.accept_each(slots, replies));
        let started = Instant::now();
        while let Err(trouble) = outcome {
            let is_over = self.shared.context.cancel.requested() == Stop::Now
                || started.elapsed() > self.options().settle;
            // The old connection may be closed, or have replies under way.
            let fresh = cluster.connect(self.pair.from);
            let (false, Ok(mut connection)) = (is_over, fresh) else { return Err(trouble) };
            let own = match read_topology(&mut connection) {
                Err(error) if error.is_passing() => {
                    outcome = Err(error);
                    thread::sleep(PAUSE);
                    continue;
                }
                seen => seen?.0.slots,
            };
            let unheard = own.intersection(slots);
            self.source = self.source.renewed(connection);
            if unheard.is_empty() {
                return Ok(());
            }
            self.ask_databases()?;
            let held = counts::count(&mut self.source, &unheard, &self.databases)?;
            if !held.is_empty() {
                self.give_back(cluster, &held.into_keys().collect())?;
                return Err(trouble);
            }
            let told = self.source.set_each(&self.assignments(&unheard));
            outcome = told.and_then(|replies| self.accept_each(&unheard, replies));
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// The command that tells a node that the target owns the slots.
    pub(super) fn assignments(&self, slots: &SlotSet) -> Vec<Command> {
        slots.iter().map(|slot| commands::assign(slot, self.pair.to)).collect()
    }

    fn accept_each(&self, slots: &SlotSet, replies: Vec<Reply>) -> Result<()> {
        let mut answered = self.assignments(slots).into_iter().zip(replies);
        answered.try_for_each(|(command, reply)| self.source.accept(&command, reply).map(drop))
    }

    /// The target keeps its keys of a slot that it imports, and the source raises its config epoch, so that its claim beats
    /// what the target has told already, and what others tell of that. The target is sent its part first, but there is no
    /// time to wait for its answer.
    fn give_back(&mut self, cluster: &mut Cluster, slots: &SlotSet) -> Result<()> {
        let Pair { from, to } = self.pair;
        let owned = |slot| commands::assign(slot, from);
        let back = |slot| [commands::disown(slot), owned(slot), commands::importing(slot, from)];
        let mut at_target: Vec<Command> = slots.iter().flat_map(back).collect();
        if self.taking == Taking::Together {
            at_target = commands::transaction(at_target);
        }
        let mut at_source = vec![commands::bump_epoch()];
        at_source.extend(slots.iter().map(|slot| commands::migrating(slot, to)));
        self.target.send(&at_target)?;
        self.source.send(&at_source)?;
        for (node, commands) in [(&mut self.target, &at_target), (&mut self.source, &at_source)] {
            let replies = commands.iter().map(|command| node.receive(command));
            let replies = replies.collect::<Result<Vec<Reply>>>()?;
            // All of it may be done twice.
            if not_ready(&replies).is_some() {
                node.call_when_ready(commands)?;
                continue;
            }
            let mut answered = commands.iter().zip(replies);
            answered.try_for_each(|(command, reply)| node.accept(command, reply).map(drop))?;
        }
        self.tell_others(cluster, slots, &slots.iter().map(owned).collect::<Vec<_>>());
        self.outbid_target(cluster)
    }

    /// Raises the source's config epoch until it is above the target's: as long as it has not learned of that it may take
    /// its own to be the highest.
    fn outbid_target(&mut self, cluster: &mut Cluster) -> Result<()> {
        let Pair { from, to } = self.pair;
        let epoch = |id| Ok::<u64, Error>(read_topology(&mut cluster.connect(id)?)?.0.config_epoch);
        until_settled(self.options().settle, self.shared.context.cancel, || {
            if epoch(from)? > epoch(to)? {
                return Ok(None);
            }
            self.source.call_when_ready(&[commands::bump_epoch()])?;
            Ok(Some(format!("{from} does not get a higher config epoch than {to}")))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use redistrib_cluster_model::{OpenKind, Slot};

    use super::super::shared::Shared;
    use super::*;
    use crate::agreement::agree;
    use crate::lab::{LabOptions, Layout, TempLab, TestServer};
    use crate::migrate::MigrateOptions;
    use crate::{Cancel, Connection, Context, Silent};

    const KEYS: i64 = 10;

    /// Three masters that can be made deaf to one another.
    fn lab(server: &TestServer) -> TempLab {
        let options = LabOptions {
            nodes: Some(3),
            replicas: Some(0),
            layout: Some(Layout::Cluster),
            server: Some(server.program.clone()),
            config: vec!["enable-debug-command yes".into()],
            ..LabOptions::default()
        };
        TempLab::up(options).unwrap()
    }

    fn say(node: &mut Connection, line: &str) -> i64 {
        let reply = node.call(&Command::from_args(line.split(' '))).unwrap();
        reply.view().as_int().unwrap_or_default()
    }

    /// Waits until the node imports a slot, then lets the other hear.
    fn lift_deafness(target: &mut Connection, source: &mut Connection) {
        for _ in 0..5000 {
            if !read_topology(target).unwrap().0.importing.is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        // The claim may be on its way still, on a busy machine. Between two replies, a server sends all that it had to send,
        // and drops all that had come.
        for node in [target, &mut *source] {
            (0..2).for_each(|_| {
                say(node, "PING");
            });
        }
        say(source, "DEBUG DROP-CLUSTER-PACKET-FILTER -1");
    }

    /// The target has claimed a slot of which the source still has half the keys. The source is deaf meanwhile: if it
    /// learned of the claim first, no tool could help it.
    fn a_source_with_keys_gets_its_slot_back(name: &'static str) {
        let lab = lab(&TestServer::named(name).unwrap());
        let mut cluster = Cluster::discover(&lab.endpoints()[0], lab.settings()).unwrap();
        let slot = Slot::of_key(b"a");
        let slots = SlotSet::from_iter([slot]);
        let from = cluster.owner(slot).unwrap().id();
        let to = cluster.masters().map(crate::Member::id).find(|id| *id != from).unwrap();
        let (mut source, mut target) =
            (cluster.connect(from).unwrap(), cluster.connect(to).unwrap());
        for key in 0..KEYS {
            say(&mut source, &format!("SET {{a}}{key} 1"));
        }
        let (cancel, options) = (Cancel::new(), MigrateOptions::default());
        let shared = Shared::new(&mut cluster, &options, Context::new(&Silent, &cancel));
        let mut work = PairWork::begin(&shared, Pair { from, to }).unwrap();
        work.open_slots(&slots).unwrap();
        let (host, port) = (target.endpoint().host().to_owned(), target.endpoint().port().unwrap());
        for key in 0..KEYS / 2 {
            say(&mut source, &format!("MIGRATE {host} {port} {{a}}{key} 0 5000"));
        }
        say(&mut source, "DEBUG DROP-CLUSTER-PACKET-FILTER -2");
        work.taking.take(&mut work.target, &slots, to).unwrap();
        let told = work.source.set_each(&work.assignments(&slots));
        thread::scope(|scope| {
            scope.spawn(|| lift_deafness(&mut target, &mut source));
            let error = work.confirm(&mut shared.cluster(), &slots, told).expect_err(name);
            assert!(error.refusal().is_some_and(|text| text.contains("keys")), "{name}: {error}");
        });

        let mut cluster = Cluster::discover(&lab.endpoints()[0], lab.settings()).unwrap();
        agree(&mut cluster, options.settle, Context::new(&Silent, &cancel)).unwrap();
        let count = format!("CLUSTER COUNTKEYSINSLOT {slot}");
        assert_eq!(
            (say(&mut source, &count), say(&mut target, &count)),
            (KEYS / 2, KEYS / 2),
            "{name}"
        );
        assert_eq!(cluster.owner(slot).unwrap().id(), from, "{name}");
        let open = cluster.snapshot().open_slots();
        assert!(matches!(open[0].kind, OpenKind::Pair), "{name}: {open:?}");
    }

    // Valkey can be told to drop all that it hears over the cluster bus.
    #[test]
    fn a_source_of_valkey_that_still_has_keys_gets_its_slot_back() {
        a_source_with_keys_gets_its_slot_back("valkey-8.1");
        a_source_with_keys_gets_its_slot_back("valkey-9.1");
    }
}
