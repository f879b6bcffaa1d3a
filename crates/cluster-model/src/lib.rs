//! Slots, nodes and topologies of a Redis or Valkey cluster, what is wrong with them, and the planners that decide.
