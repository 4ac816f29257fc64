//! Arguments, configuration, one command.
fn main() {}
