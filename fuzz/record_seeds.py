#!/usr/bin/env python3
"""Records what real servers answer, as seeds: fuzz/record_seeds.py target/servers/*/bin/*-server

Each server is started alone, in cluster mode, and asked the same commands in RESP2 and RESP3.
Answers that are alike, byte for byte, are kept once.
"""

import hashlib
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

SEEDS = pathlib.Path(__file__).parent / "seeds" / "decode_any"

COMMANDS = """
PING
GET missing
SET {s}string value
GET {s}string
INCR {s}number
RPUSH {s}list a bb ccc
LRANGE {s}list 0 -1
LPOP {s}missing 2
HSET {s}hash field value other 2
HGETALL {s}hash
SADD {s}set a b c
SMEMBERS {s}set
SINTER {s}set {s}missing
ZADD {s}zset 1.5 a -inf b inf c
ZRANGE {s}zset 0 -1 WITHSCORES
ZSCORE {s}zset a
XADD {s}stream 1-1 field value
XRANGE {s}stream - +
GEOPOS {s}zset missing
GET {s}list
NOSUCHCOMMAND
EVAL return{1,{2,'x'},{err='ERR\\x20no'},{ok='fine'}} 0
MULTI
INCR {s}string
EXEC
CLUSTER MYID
CLUSTER NODES
CLUSTER SLOTS
CLUSTER SHARDS
CLUSTER LINKS
CLUSTER INFO
CLUSTER GETKEYSINSLOT 3828 10
CLIENT LIST
CLIENT TRACKING ON
GET {s}number
SET {s}number 7
COMMAND INFO get
CONFIG GET maxmemory*
MEMORY STATS
SCAN 0
LATENCY DOCTOR
DEBUG PROTOCOL string
DEBUG PROTOCOL integer
DEBUG PROTOCOL double
DEBUG PROTOCOL null
DEBUG PROTOCOL array
DEBUG PROTOCOL set
DEBUG PROTOCOL map
DEBUG PROTOCOL attrib
DEBUG PROTOCOL push
DEBUG PROTOCOL verbatim
DEBUG PROTOCOL true
DEBUG PROTOCOL bignum
""".strip().splitlines()


def encode(line):
    args = [arg.replace("\\x20", " ").encode() for arg in line.split()]
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(arg), arg) for arg in args)


def free_port():
    """A port that is free, and whose bus port is."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port < 55000:
            return port


def ask(line, stream):
    """Sends one command, and collects what comes until the server is silent."""
    stream.sendall(encode(line))
    answer = b""
    try:
        while True:
            answer += stream.recv(1 << 20)
    except TimeoutError:
        return answer


def connect(port):
    until = time.monotonic() + 10
    while True:
        try:
            stream = socket.create_connection(("127.0.0.1", port), 10)
            stream.settimeout(0.05)
            return stream
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise


def record(server, seen):
    name = pathlib.Path(server).parts[-3]
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        options = ["--port", port, "--dir", folder, "--bind", "127.0.0.1", "--save", ""]
        options += ["--loglevel", "warning", "--cluster-enabled", "yes"]
        if "6.2" not in name:
            options += ["--enable-debug-command", "yes"]
        process = subprocess.Popen([server, *map(str, options)], stdout=subprocess.DEVNULL)
        try:
            form(port)
            for protocol in ("2", "3"):
                stream = connect(port)
                for line in [f"HELLO {protocol}", "FLUSHALL", *COMMANDS]:
                    # A push is what RESP2 cannot send: old servers fail at it.
                    if (protocol, line) != ("2", "DEBUG PROTOCOL push"):
                        save(f"{name}-resp{protocol}", line, ask(line, stream), seen)
                stream.close()
        finally:
            process.kill()
            process.wait()


def form(port):
    """Makes the server a cluster of one."""
    stream = connect(port)
    ask("CLUSTER ADDSLOTS " + " ".join(map(str, range(16384))), stream)
    while b"cluster_state:ok" not in ask("CLUSTER INFO", stream):
        pass
    stream.close()


def save(source, line, answer, seen):
    digest = hashlib.sha1(answer).hexdigest()
    if not answer or len(answer) > 4000 or digest in seen:
        return
    seen.add(digest)
    words = [word for word in line.lower().split() if word.isalnum() and not word.isdigit()][:3]
    (SEEDS / f"{source}-{'-'.join(words)}").write_bytes(answer)


if __name__ == "__main__":
    SEEDS.mkdir(parents=True, exist_ok=True)
    seen = set()
    for server in sys.argv[1:]:
        record(server, seen)
    print(f"{len(list(SEEDS.iterdir()))} seeds in {SEEDS}")
