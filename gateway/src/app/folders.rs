//! Folders of state and sockets: made with mode 0700, and refused where others could reach in.

use std::fs::{self, DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::config::{Config, EgressListen};

/// Makes what is missing, and refuses what is open to all.
///
/// # Errors
///
/// When a folder cannot be made, is not a folder, or anybody may write to it.
pub(crate) fn prepare(config: &Config) -> anyhow::Result<()> {
    own(&config.state.directory, "state")?;
    let mut sockets = Vec::new();
    if let Some(EgressListen::Unix(unix)) = config.egress.as_ref().map(|egress| &egress.listen) {
        sockets.push(&unix.socket);
    }
    if let Some(envoy) = &config.envoy {
        sockets.push(&envoy.listen.socket);
        sockets.extend(&envoy.ext_authz);
    }
    sockets.extend(config.admin.as_ref().map(|admin| &admin.socket));
    for folder in sockets.into_iter().filter_map(|socket| socket.parent()) {
        reachable(folder, "socket")?;
    }
    if let Some(folder) = config.audit.as_ref().and_then(|file| file.parent()) {
        own(folder, "audit")?;
    }
    Ok(())
}

/// A folder that is this gateway's alone: whoever can write there can lower a watermark.
fn own(folder: &Path, what: &str) -> anyhow::Result<()> {
    let meta = made(folder, what)?;
    let (mode, owner, me) = (meta.mode() & 0o7777, meta.uid(), rustix::process::geteuid().as_raw());
    if mode & 0o077 != 0 || owner != me {
        bail!(
            "the {what} folder `{}` has mode {mode:04o} and owner {owner}; it must have mode 0700 and this gateway's uid, {me}",
            folder.display()
        );
    }
    Ok(())
}

/// A folder of sockets: a group may reach in, which the sockets' uids are checked for; others may not.
fn reachable(folder: &Path, what: &str) -> anyhow::Result<()> {
    let mode = made(folder, what)?.mode() & 0o7777;
    if mode & 0o007 != 0 {
        bail!(
            "the {what} folder `{}` has mode {mode:04o}, so that anybody can reach into it; `chmod o-rwx` it, or name another",
            folder.display()
        );
    }
    Ok(())
}

fn made(folder: &Path, what: &str) -> anyhow::Result<Metadata> {
    if !folder.exists() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("making the {what} folder `{}`", folder.display()))?;
    }
    let meta = fs::metadata(folder).with_context(|| format!("looking at the {what} folder `{}`", folder.display()))?;
    if !meta.is_dir() {
        bail!("the {what} folder `{}` is not a folder", folder.display());
    }
    Ok(meta)
}
