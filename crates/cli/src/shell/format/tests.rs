//! The forms against what redis-cli 7.0.15 printed for the same bytes, and where we differ on purpose.

use redistrib_ops::resp::{Decoder, Reply};
use serde_json::Value as Json;

use super::*;
use redistrib_ops::words::split;

const TABLE: &str = include_str!("redis-cli-7.0.txt");

fn reply(wire: &[u8]) -> Reply {
    let mut decoder = Decoder::new();
    decoder.feed(wire);
    let reply = decoder.next_reply().unwrap().expect("a whole reply");
    assert_eq!(decoder.buffered(), 0, "one reply");
    reply
}

fn printed(wire: &[u8], form: ReplyForm) -> String {
    let mut out = Vec::new();
    write_reply(reply(wire).view(), form, &Delimiters::default(), &mut out).unwrap();
    out.escape_ascii().to_string()
}

#[test]
fn every_form_is_that_of_redis_cli() {
    let forms =
        [ReplyForm::Terminal, ReplyForm::Raw, ReplyForm::Csv, ReplyForm::Json(Strings::Unicode)];
    let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
    for row in rows {
        let words = split(row.as_bytes()).unwrap();
        let (wire, expected) = words.split_first().unwrap();
        assert_eq!(expected.len(), forms.len());
        for (form, expected) in forms.into_iter().zip(expected) {
            let expected = expected.escape_ascii().to_string();
            assert_eq!(printed(wire, form), expected, "{form:?} of {}", wire.escape_ascii());
        }
    }
}

#[test]
fn what_redis_cli_cannot_print_is_printed() {
    for (wire, terminal, csv) in [
        (
            &b"(3492890328409238509324\r\n"[..],
            "(big number) 3492890328409238509324",
            "3492890328409238509324",
        ),
        (
            b"!21\r\nSYNTAX invalid\nsyntax\r\n",
            "(error) SYNTAX invalid\\x0asyntax",
            r#"ERROR,"SYNTAX invalid\nsyntax""#,
        ),
        (b",nan\r\n", "(double) nan", "nan"),
        (b"$?\r\n;2\r\nfo\r\n;1\r\no\r\n;0\r\n", "\"foo\"", "\"foo\""),
        (b"*?\r\n:1\r\n.\r\n", "1) (integer) 1", "1"),
        (b"|1\r\n+ttl\r\n:3600\r\n$3\r\nfoo\r\n", "\"foo\"", "\"foo\""),
        (b">2\r\n+message\r\n$1\r\na\r\n", "1) message\n2) \"a\"", "\"message\",\"a\""),
    ] {
        let with_end = |text: &str| format!("{text}\n").escape_default().to_string();
        let with_end = |text: &str| with_end(text).replace("\\'", "'");
        assert_eq!(printed(wire, ReplyForm::Terminal), with_end(terminal));
        assert_eq!(printed(wire, ReplyForm::Csv), with_end(csv));
    }
}

#[test]
fn an_error_text_cannot_drive_the_terminal() {
    let out = printed(b"-ERR \x1b]0;owned\x07\r\n", ReplyForm::Terminal);
    assert_eq!(out, r"(error) ERR \\x1b]0;owned\\x07\n");
}

#[test]
fn quoted_json_is_json() {
    let out = printed(b"$4\r\na\"\xff\\\r\n", ReplyForm::Json(Strings::Quoted));
    assert_eq!(out.replace("\\\\", "\\").replace("\\\"", "\""), r#""a\\\"\\xff\\\\"\n"#);
}

/// The wire form of a reply that was written as lossless JSON.
fn wire_of(json: &Json, out: &mut Vec<u8>) {
    match json {
        Json::Null => out.extend(b"_\r\n"),
        Json::Bool(truth) => out.extend(if *truth { b"#t\r\n" } else { b"#f\r\n" }),
        Json::Number(number) => out.extend(format!(":{number}\r\n").bytes()),
        Json::String(_) => lengthy(b'$', &bytes_of(json), out),
        Json::Array(list) => many(b'*', list, out),
        Json::Object(object) => {
            let of = |name: &str| object.get(name);
            match object.keys().next().unwrap().as_str() {
                "hex" => lengthy(b'$', &bytes_of(json), out),
                "attributes" => {
                    pairs(b'|', &object["attributes"], out);
                    wire_of(&object["value"], out);
                }
                "simple" => short(b'+', &object["simple"], out),
                "error" => short(b'-', &object["error"], out),
                "double" => short(b',', &object["double"], out),
                "big_number" => short(b'(', &object["big_number"], out),
                "bulk_error" => lengthy(b'!', &bytes_of(&object["bulk_error"]), out),
                "set" => many(b'~', object["set"].as_array().unwrap(), out),
                "push" => many(b'>', object["push"].as_array().unwrap(), out),
                "map" => pairs(b'%', &object["map"], out),
                _ => {
                    let format = bytes_of(of("verbatim").unwrap());
                    let text = bytes_of(of("text").unwrap());
                    lengthy(b'=', &[&format[..], b":", &text].concat(), out);
                }
            }
        }
    }
}

fn bytes_of(json: &Json) -> Vec<u8> {
    match json {
        Json::String(text) => text.clone().into_bytes(),
        _ => {
            let digits = json["hex"].as_str().unwrap().as_bytes();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
            digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
        }
    }
}

fn short(tag: u8, text: &Json, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend(bytes_of(text));
    out.extend(b"\r\n");
}

fn lengthy(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(format!("{}{}\r\n", tag as char, bytes.len()).bytes());
    out.extend(bytes);
    out.extend(b"\r\n");
}

fn many(tag: u8, list: &[Json], out: &mut Vec<u8>) {
    out.extend(format!("{}{}\r\n", tag as char, list.len()).bytes());
    list.iter().for_each(|element| wire_of(element, out));
}

fn pairs(tag: u8, list: &Json, out: &mut Vec<u8>) {
    let list = list.as_array().unwrap();
    out.extend(format!("{}{}\r\n", tag as char, list.len()).bytes());
    list.iter().flat_map(|pair| pair.as_array().unwrap()).for_each(|half| wire_of(half, out));
}

#[test]
fn lossless_json_gives_every_reply_back() {
    let others: [&[u8]; 8] = [
        b"(-3492890328409238509324\r\n",
        b"!5\r\nE\n\xffx\x1b\r\n",
        b",nan\r\n",
        b"-ERR \xff\r\n",
        b"=8\r\ntxt:a\xffb\n\r\n",
        b"|1\r\n+ttl\r\n*1\r\n_\r\n%1\r\n|1\r\n+a\r\n#t\r\n:1\r\n~1\r\n,0.10\r\n",
        b">2\r\n+message\r\n$0\r\n\r\n",
        b"$2\r\n\xc3\xa9\r\n",
    ];
    let table = TABLE.lines().filter(|line| !line.starts_with('#'));
    let table = table.map(|row| split(row.as_bytes()).unwrap().remove(0));
    for wire in table.chain(others.map(<[u8]>::to_vec)) {
        let mut text = Vec::new();
        write_lossless(reply(&wire).view(), &mut text).unwrap();
        let json: Json = serde_json::from_slice(&text).expect("JSON");
        let mut back = Vec::new();
        wire_of(&json, &mut back);
        // RESP3 has one null where RESP2 has two.
        let nulls = |bytes: &[u8]| {
            bytes
                .escape_ascii()
                .to_string()
                .replace(r"$-1\r\n", r"_\r\n")
                .replace(r"*-1\r\n", r"_\r\n")
        };
        assert_eq!(nulls(&back), nulls(&wire), "{}", text.escape_ascii());
    }
}
