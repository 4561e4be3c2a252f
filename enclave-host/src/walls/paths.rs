//! The few paths that the host goes on needing: to start workers, and to tidy up.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use landlock::{AccessFs, BitFlags, PathBeneath, PathFd, RulesetCreated, RulesetCreatedAttr as _, RulesetError};

/// Adds to `rules` what the host may still reach: `folder` is its socket's, `cgroup` the one that workers are put into.
pub(super) fn of_host(rules: RulesetCreated, folder: &Path, cgroup: Option<&Path>) -> Result<RulesetCreated, String> {
    let run = AccessFs::ReadFile | AccessFs::Execute;
    let mut rules = allow(rules, Path::new("/proc/self/exe"), run)?;
    for library in libraries().map_err(|error| format!("`/proc/self/maps` can't be read: {error}"))? {
        rules = allow(rules, &library, run)?;
    }
    // A worker's standard output; and where libraries lie, which the loader looks up.
    rules = allow(rules, Path::new("/dev/null"), AccessFs::ReadFile | AccessFs::WriteFile)?;
    if Path::new("/etc/ld.so.cache").exists() {
        rules = allow(rules, Path::new("/etc/ld.so.cache"), AccessFs::ReadFile.into())?;
    }
    if let Some(cgroup) = cgroup {
        rules = allow(rules, &cgroup.join("cgroup.procs"), AccessFs::WriteFile | AccessFs::Truncate)?;
    }
    allow(rules, folder, AccessFs::RemoveFile.into())
}

fn allow(rules: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, String> {
    let told = |why: &dyn std::fmt::Display| format!("`{}`: {why}", path.display());
    let place = PathFd::new(path).map_err(|error| told(&error))?;
    // Of a file that is no folder only some rights make sense.
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(super::LANDLOCK) };
    rules.add_rule(PathBeneath::new(place, access)).map_err(|error: RulesetError| told(&error))
}

/// The files that this program's code came from, besides itself: its libraries and their loader.
fn libraries() -> io::Result<BTreeSet<PathBuf>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let own = fs::read_link("/proc/self/exe")?;
    let files = maps.lines().filter_map(|line| line.find('/').and_then(|at| line.get(at..)));
    Ok(files.map(PathBuf::from).filter(|file| *file != own && file.is_file()).collect())
}
