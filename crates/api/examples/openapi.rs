//! Prints the API document, without the rest of the program.

use std::io::{self, Write as _};

fn main() -> io::Result<()> {
    let text = serde_json::to_string_pretty(&api::openapi()).map_err(io::Error::other)?;
    writeln!(io::stdout(), "{text}")
}
