//! The Callwright binary
fn main() {}
