//! The kept watermark: that it can be read whole, and where the gateway would start.
//!
//! The running gateway holds the folder's lock and writes there, so a copy is opened, as the gateway itself would open it, in a
//! temporary folder that nobody else can read. What is being written during the copy looks like what a crash leaves, and is read so.

use std::fs;
use std::io;
use std::path::Path;

use bellgate_policy::{Lattice, SpiffeId, Subject};
use bellgate_spire::wall_clock;
use bellgate_watermark::{Missing, Startup, Watermark};

use super::Loaded;
use super::finding::Finding;
use crate::config::MissingState;

/// The code of this check.
const CHECK: &str = "state";

/// Reads what is kept for the workload.
pub(super) fn checks(loaded: &Loaded, own: Option<&SpiffeId>) -> Vec<Finding> {
    let folder = &loaded.config.state.directory;
    let id = own.or(loaded.config.identity.id.as_ref());
    let Some(subject) = id.and_then(|id| loaded.policy.subject(id)) else {
        return vec![Finding::unseen(
            CHECK,
            "where the gateway would start: it is not known for whom (no svid, and no `identity.id` that is a subject)",
            "set `identity.id`",
        )];
    };
    // Another check tells of a folder that is not there.
    if !folder.exists() {
        return Vec::new();
    }
    let missing = match loaded.config.state.missing {
        MissingState::Floor => Missing::Floor,
        MissingState::Clearance => Missing::Clearance,
    };
    vec![start(folder, subject, loaded.policy.lattice(), missing)]
}

fn start(folder: &Path, subject: &Subject, lattice: &Lattice, missing: Missing) -> Finding {
    let copied = match copy(folder) {
        Ok(copied) => copied,
        Err(error) => {
            return Finding::fail(
                CHECK,
                format!("`{}` can't be copied to be read: {error}", folder.display()),
                "a folder that the gateway can read",
                "run doctor as the gateway's user; look at owner, mode and disk",
            );
        }
    };
    let (watermark, startup) = match Watermark::open(copied.path(), subject, lattice, missing, wall_clock()) {
        Ok(opened) => opened,
        Err(error) => {
            return Finding::fail(
                CHECK,
                format!("what is kept in `{}` can't be opened: {error}", folder.display()),
                "a journal that the gateway can read",
                "look at owner, mode and disk; until then everything is refused",
            );
        }
    };
    judged(&startup, subject.name.as_ref(), &lattice.text(&watermark.reading().label))
}

fn judged(startup: &Startup, name: &str, label: &str) -> Finding {
    match startup {
        Startup::Restored => Finding::ok(CHECK, format!("read whole; `{name}` would start where it was, at {label}")),
        Startup::TakenOver => Finding::ok(
            CHECK,
            format!("in an older form, which is taken over; `{name}` would start where it was, at {label}"),
        ),
        Startup::NewAtFloor => {
            Finding::ok(CHECK, format!("nothing is kept; `{name}` would start at its floor, {label}"))
        }
        Startup::MissingAtClearance => Finding::warn(
            CHECK,
            format!("nothing is kept; `{name}` would start at its clearance, {label}"),
            "what an earlier start kept, unless this is the first",
            "at a first start this is as it should be; else look where the state went",
        ),
        Startup::DamagedAtClearance(error) | Startup::DamagedAtTop(error) => Finding::fail(
            CHECK,
            format!("{error}; `{name}` would start at {label}"),
            "a journal that can be read whole",
            "look at the disk; once the workload has been started anew: bellgate label reset",
        ),
    }
}

/// The files of the folder, without those of other programs' folders below it.
fn copy(folder: &Path) -> io::Result<tempfile::TempDir> {
    let copied = tempfile::Builder::new().prefix("bellgate-doctor-").tempdir()?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let kept = name
            .to_str()
            .is_some_and(|name| ["journal-", "clearance-", "watermark-"].iter().any(|start| name.starts_with(start)));
        if kept && entry.file_type()?.is_file() {
            match fs::copy(entry.path(), copied.path().join(&name)) {
                Ok(_) => {}
                // Written anew and renamed just now: the other name has it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use bellgate_policy::{Observation, Policy, Timestamp};

    use super::super::finding::Status;
    use super::*;

    const POLICY: &str = "version: 1\nsubjects:\n  planner: { id: spiffe://td.test/planner, floor: PUBLIC, clearance: RESTRICTED, gateway: true }\n";

    #[test]
    fn what_is_kept_is_read_as_a_copy_and_damage_is_told() {
        let policy = Policy::parse("policy.yaml", POLICY).unwrap();
        let (subject, lattice) = (policy.subject_named("planner").unwrap(), policy.lattice());
        let folder = tempfile::tempdir().unwrap();
        let look = |missing| start(folder.path(), subject, lattice, missing);
        assert_eq!(look(Missing::Floor).status, Status::Ok);
        assert_eq!(look(Missing::Clearance).status, Status::Warn);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");

        let open = || Watermark::open(folder.path(), subject, lattice, Missing::Floor, Timestamp(1)).unwrap().0;
        let held = open();
        let label = lattice.parse_label("CONFIDENTIAL").unwrap();
        let seen = || Observation {
            request_id: "r".into(),
            object: "o".into(),
            at: Timestamp(2),
            label: "CONFIDENTIAL".into(),
        };
        held.raise(&label, seen).unwrap();
        // While a gateway holds it.
        let finding = look(Missing::Floor);
        assert_eq!(finding.status, Status::Ok);
        assert!(finding.found.ends_with("would start where it was, at CONFIDENTIAL"), "{finding:?}");
        drop(held);

        for entry in fs::read_dir(folder.path()).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("journal-") || name.starts_with("watermark-") {
                let mut bytes = fs::read(&file).unwrap();
                bytes[10] ^= 1;
                fs::write(&file, bytes).unwrap();
            }
        }
        let finding = look(Missing::Floor);
        assert_eq!(finding.status, Status::Fail, "{finding:?}");
        assert!(finding.todo.contains("label reset"));
    }
}
