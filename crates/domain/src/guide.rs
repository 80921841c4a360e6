//! `builtin/guide`: the deterministic brain that answers from a script and invents nothing.
