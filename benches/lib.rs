//! Benches of codec, model and migration beside their rivals.
