//! Where the program under test is.

use std::path::PathBuf;

/// The `bellgate` program: `BELLGATE_BIN`, or the one in the target folder of this test.
///
/// # Panics
/// When it is not there, saying how to build it.
#[must_use]
pub fn bellgate() -> PathBuf {
    let program = match std::env::var_os("BELLGATE_BIN") {
        Some(path) => PathBuf::from(path),
        // target/debug/deps/<test> -> target/debug/bellgate
        None => std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("bellgate"),
    };
    assert!(
        program.is_file(),
        "`{}` is not there; run `cargo build -p bellgate -p bellgate-enclave` first, or set BELLGATE_BIN",
        program.display()
    );
    program
}
