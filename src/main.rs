//! The program: everything it can do is in `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    weighbridge::cli::main()
}
