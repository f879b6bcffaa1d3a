//! A zero-copy codec for RESP2 and RESP3: commands in, bytes out; bytes in, replies out.
