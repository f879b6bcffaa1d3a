//! Connections to Redis and Valkey servers and the operations on a cluster of them.
