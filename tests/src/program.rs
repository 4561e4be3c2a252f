//! Where the programs under test are.

use std::path::PathBuf;

/// The `bellgate` program: `BELLGATE_BIN`, or the one in the target folder of this test.
///
/// # Panics
/// When it is not there, saying how to build it.
#[must_use]
pub fn bellgate() -> PathBuf {
    program("bellgate", "BELLGATE_BIN")
}

/// The `bellgate-enclave` program: `BELLGATE_ENCLAVE_BIN`, or the one in the target folder of this test.
///
/// # Panics
/// When it is not there, saying how to build it.
#[must_use]
pub(crate) fn bellgate_enclave() -> PathBuf {
    program("bellgate-enclave", "BELLGATE_ENCLAVE_BIN")
}

fn program(name: &str, variable: &str) -> PathBuf {
    let program = match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        // target/debug/deps/<test> -> target/debug/<name>
        None => std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join(name),
    };
    assert!(
        program.is_file(),
        "`{}` is not there; run `cargo build -p bellgate -p bellgate-enclave` first, or set {variable}",
        program.display()
    );
    program
}
