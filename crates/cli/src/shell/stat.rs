//! A row of figures about a server, now and then.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use redistrib_ops::model::ServerInfo;
use redistrib_ops::resp::Command;
use serde_json::json;

use super::again;
use super::format::ReplyForm;
use super::options::Options;
use super::scan::session_with;

const HEADING: &str = "------- data ------ --------------------- load -------------------- - child -\n\
     keys       mem      clients blocked requests            connections          ";
/// The heading is printed again after so many rows.
const ROWS: u64 = 20;

/// Prints so many rows, or rows without end.
pub(super) fn run(options: &Options, interval: Duration, last: Option<u64>) -> Result<bool> {
    let mut session = session_with(options, &options.endpoint)?;
    let mut requests_before = None;
    let mut rows = 0u64;
    while last.is_none_or(|last| rows < last) {
        let command = Command::new("INFO");
        let reply = again::request(&mut session, &command)?;
        let reply = session.client.connection()?.accept(&command, reply)?;
        let text = reply.view().joined().unwrap_or_default();
        let info = ServerInfo::parse(&String::from_utf8_lossy(&text));
        if session.printer.form() == ReplyForm::Lossless {
            session.printer.line(&document(&info))?;
        } else {
            if rows.is_multiple_of(ROWS) {
                session.printer.line(HEADING)?;
            }
            session.printer.line(&row(&info, requests_before))?;
        }
        requests_before = Some(number(&info, "total_commands_processed"));
        rows += 1;
        thread::sleep(interval);
    }
    Ok(true)
}

/// What a server does not report counts as 0.
fn number(info: &ServerInfo, name: &str) -> u64 {
    info.number(name).unwrap_or(0)
}

fn document(info: &ServerInfo) -> String {
    let document = json!({
        "keys": info.keys(),
        "used_memory": number(info, "used_memory"),
        "connected_clients": number(info, "connected_clients"),
        "blocked_clients": number(info, "blocked_clients"),
        "requests": number(info, "total_commands_processed"),
        "connections": number(info, "total_connections_received"),
    });
    document.to_string()
}

fn row(info: &ServerInfo, requests_before: Option<u64>) -> String {
    let number = |name| number(info, name);
    let requests = number("total_commands_processed");
    let more = requests.saturating_sub(requests_before.unwrap_or(requests));
    let child = match (number("rdb_bgsave_in_progress"), number("aof_rewrite_in_progress")) {
        (0, 0) => "",
        (0, _) => "AOF",
        (_, 0) => "SAVE",
        (_, _) => "SAVE+AOF",
    };
    format!(
        "{:<11}{:<8} {:<8}{:<8}{:<19} {:<12}{child}",
        info.keys(),
        human(number("used_memory")),
        number("connected_clients"),
        number("blocked_clients"),
        format!("{requests} (+{more})"),
        number("total_connections_received"),
    )
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
        let info = ServerInfo::parse(
            "used_memory:2181038\r\nconnected_clients:1\r\nblocked_clients:0\r\n\
             total_commands_processed:978\r\ntotal_connections_received:91\r\n\
             rdb_bgsave_in_progress:1\r\ndb0:keys=12,expires=0,avg_ttl=0\r\ndb3:keys=1,expires=0\r\n",
        );
        assert_eq!(
            row(&info, Some(977)),
            "13         2.08M    1       0       978 (+1)            91          SAVE"
        );
        assert_eq!(human(1023), "1023B");
        assert_eq!(human(3 << 30), "3.00G");
    }
}
