//! A row of figures about a server, now and then.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use redistrib_ops::resp::Command;
use serde_json::json;

use super::format::Form;
use super::options::{Options, Repeat};
use super::scan::session_with;

const HEADING: &str = "------- data ------ --------------------- load -------------------- - child -\n\
     keys       mem      clients blocked requests            connections          ";
/// The heading is printed again after so many rows.
const ROWS: u64 = 20;

/// Prints rows without end, or as many as `-r` says.
pub(super) fn run(options: &Options, interval: Duration, repeat: Repeat) -> Result<bool> {
    let mut session = session_with(options, &options.endpoint)?;
    let mut requests_before = None;
    let mut row = 0u64;
    // One time is what nobody asked for: it stands for no end.
    let last = repeat.times.filter(|&times| times > 1);
    while last.is_none_or(|last| row < last) {
        let reply = session.client.connection()?.call(&Command::new("INFO"))?;
        let text = reply.view().joined().unwrap_or_default();
        let info = Info(&String::from_utf8_lossy(&text));
        if session.printer.form() == Form::Lossless {
            session.printer.line(&info.document())?;
        } else {
            if row.is_multiple_of(ROWS) {
                session.printer.line(HEADING)?;
            }
            session.printer.line(&info.row(requests_before))?;
        }
        requests_before = Some(info.number("total_commands_processed"));
        row += 1;
        thread::sleep(interval);
    }
    Ok(true)
}

/// The text of INFO.
struct Info<'a>(&'a str);

impl Info<'_> {
    fn number(&self, name: &str) -> u64 {
        let value = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    }

    /// The keys of all databases: `db0:keys=12,expires=0,…`.
    fn keys(&self) -> u64 {
        let lines = self.0.lines().filter(|line| line.starts_with("db"));
        let counts = lines.filter_map(|line| line.split_once(":keys=")?.1.split(',').next());
        counts.filter_map(|count| count.parse::<u64>().ok()).sum()
    }

    fn document(&self) -> String {
        let document = json!({
            "keys": self.keys(),
            "used_memory": self.number("used_memory"),
            "connected_clients": self.number("connected_clients"),
            "blocked_clients": self.number("blocked_clients"),
            "requests": self.number("total_commands_processed"),
            "connections": self.number("total_connections_received"),
        });
        document.to_string()
    }

    fn row(&self, requests_before: Option<u64>) -> String {
        let requests = self.number("total_commands_processed");
        let more = requests.saturating_sub(requests_before.unwrap_or(requests));
        let child =
            match (self.number("rdb_bgsave_in_progress"), self.number("aof_rewrite_in_progress")) {
                (0, 0) => "",
                (0, _) => "AOF",
                (_, 0) => "SAVE",
                (_, _) => "SAVE+AOF",
            };
        format!(
            "{:<11}{:<8} {:<8}{:<8}{:<19} {:<12}{child}",
            self.keys(),
            human(self.number("used_memory")),
            self.number("connected_clients"),
            self.number("blocked_clients"),
            format!("{requests} (+{more})"),
            self.number("total_connections_received"),
        )
    }
}

fn human(bytes: u64) -> String {
    let scaled = |shift: u32| bytes as f64 / (1u64 << shift) as f64;
    match bytes {
        0..1024 => format!("{bytes}B"),
        1024..0x10_0000 => format!("{:.2}K", scaled(10)),
        0x10_0000..0x4000_0000 => format!("{:.2}M", scaled(20)),
        _ => format!("{:.2}G", scaled(30)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_laid_out_as_redis_cli_does() {
        let info = Info(
            "used_memory:2181038\r\nconnected_clients:1\r\nblocked_clients:0\r\n\
             total_commands_processed:978\r\ntotal_connections_received:91\r\n\
             rdb_bgsave_in_progress:1\r\ndb0:keys=12,expires=0,avg_ttl=0\r\ndb3:keys=1,expires=0\r\n",
        );
        assert_eq!(
            info.row(Some(977)),
            "13         2.08M    1       0       978 (+1)            91          SAVE"
        );
        assert_eq!(human(1023), "1023B");
        assert_eq!(human(3 << 30), "3.00G");
    }
}
