//! Where a watermark starts.
//!
//! | found | starts |
//! | --- | --- |
//! | a journal | where it says; a part of a line at its end is cut off |
//! | a journal with names that the policy does not know | at the top; handles are closed |
//! | a journal or an earlier file that is damaged | at the highest clearance ever kept here, unknown: at the top |
//! | no journal, but a clearance | the same: what was kept is lost |
//! | an earlier file | where it says |
//! | nothing | at the floor or the clearance, as the configuration says |

use std::io;
use std::path::Path;

use bellgate_policy::{Lattice, Observation, SecurityLabel, Subject, Timestamp};

use crate::clearance::{self, Highest};
use crate::disk::{Folder, Lock, Log};
use crate::earlier::{self, Earlier};
use crate::reading::LinkKind;
use crate::record::Record;
use crate::replay::{Replayed, replay};
use crate::rewrite::Writer;
use crate::state::{Files, StateError};

/// Where a watermark starts when there is no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// At the floor: state, workload and every storage that it can write end together (an
    /// `emptyDir` in a pod without other volumes).
    Floor,
    /// At the clearance: the workload may remember what this gateway does not.
    Clearance,
}

/// How a watermark came to where it starts; worth a line in the log.
#[derive(Debug)]
pub enum Startup {
    /// The label that was kept here.
    Restored,
    /// State of an earlier format was taken over.
    TakenOver,
    /// Nothing was kept, and the configuration says that the workload is as new as the state.
    NewAtFloor,
    /// Nothing was kept.
    MissingAtClearance,
    /// What was kept could not be used: the watermark starts at the highest clearance that was ever kept here.
    DamagedAtClearance(StateError),
    /// What was kept could not be used, and no clearance was kept either: the watermark starts at the top of the lattice.
    DamagedAtTop(StateError),
}

/// What was found, before anything is kept of it.
pub(crate) struct Started {
    pub(crate) files: Files,
    pub(crate) lock: Lock,
    pub(crate) log: Log,
    pub(crate) replayed: Replayed,
    /// What an earlier version left beside a journal.
    pub(crate) earlier: Option<Earlier>,
    pub(crate) highest: Highest,
    pub(crate) startup: Startup,
    /// Whether the journal was begun just now, by this process.
    pub(crate) fresh: bool,
}

const LOCK: &str = "lock";

/// Finds where to start. What is there afterwards starts at the same label or a higher one.
///
/// # Errors
///
/// When the operating system gives one, or another process has the folder.
pub(crate) fn start(
    folder: &Path,
    subject: &Subject,
    lattice: &Lattice,
    missing: Missing,
    now: Timestamp,
) -> Result<Started, StateError> {
    let files = Files::new(Folder::new(folder), &subject.id);
    let lock = files.folder.lock(LOCK).map_err(files.writing(LOCK))?;
    let lock = lock.ok_or_else(|| StateError::InUse { path: folder.to_owned() })?;
    let highest = clearance::read(&files, lattice)?;
    let (first, startup) = match usable(&files, lattice, now) {
        Ok(Some((log, replayed, earlier))) => {
            let startup = match &replayed.unknown_name {
                Some(name) => Startup::DamagedAtTop(unknown(&files, name)),
                None => Startup::Restored,
            };
            return Ok(Started { files, lock, log, replayed, earlier, highest, startup, fresh: false });
        }
        Ok(None) => first(&files, subject, lattice, missing, &highest)?,
        Err(error @ StateError::Damaged { .. }) => {
            keep_damaged(&files).map_err(files.writing(&files.damaged))?;
            damaged(subject, lattice, &highest, error)
        }
        Err(error) => return Err(error),
    };
    let (log, replayed) = begin(&files, lattice, now, &first)?;
    Ok(Started { files, lock, log, replayed, earlier: None, highest, startup, fresh: true })
}

fn unknown(files: &Files, label: &str) -> StateError {
    files.damage(&files.journal, format!("`{label}` has names that this policy does not know"))
}

type Usable = (Log, Replayed, Option<Earlier>);

/// The journal, where there is one, and what an earlier version left beside it.
fn usable(files: &Files, lattice: &Lattice, now: Timestamp) -> Result<Option<Usable>, StateError> {
    let Some(log) = files.folder.log(&files.journal).map_err(files.reading(&files.journal))? else { return Ok(None) };
    let replayed = replay(files, &log, lattice, now)?;
    let earlier = earlier::read(files, lattice)?;
    Ok(Some((log, replayed, earlier)))
}

/// How the instance starts: the second line of its journal.
struct First {
    kind: LinkKind,
    label: SecurityLabel,
    because: Option<Observation>,
    budgets_unknown: bool,
}

fn first(
    files: &Files,
    subject: &Subject,
    lattice: &Lattice,
    missing: Missing,
    highest: &Highest,
) -> Result<(First, Startup), StateError> {
    let plain =
        |kind, label: &SecurityLabel| First { kind, label: label.clone(), because: None, budgets_unknown: false };
    match earlier::read(files, lattice) {
        Ok(Some(earlier)) => {
            let label = earlier.label.join(&subject.floor);
            let first = First { kind: LinkKind::TakenOver, label, because: earlier.cause, budgets_unknown: false };
            return Ok((first, Startup::TakenOver));
        }
        Ok(None) => {}
        Err(error @ StateError::Damaged { .. }) => return Ok(damaged(subject, lattice, highest, error)),
        Err(error) => return Err(error),
    }
    if !matches!(highest, Highest::Never) {
        let lost = files.damage(&files.journal, "it is gone, and there was one: a clearance is kept beside it".into());
        return Ok(damaged(subject, lattice, highest, lost));
    }
    Ok(match missing {
        Missing::Floor => (plain(LinkKind::Start, &subject.floor), Startup::NewAtFloor),
        Missing::Clearance => (plain(LinkKind::Missing, &subject.clearance), Startup::MissingAtClearance),
    })
}

fn damaged(subject: &Subject, lattice: &Lattice, highest: &Highest, why: StateError) -> (First, Startup) {
    let (label, startup) = match highest {
        Highest::Known(highest) => (highest.join(&subject.clearance), Startup::DamagedAtClearance(why)),
        Highest::Unknown | Highest::Never => (lattice.top(), Startup::DamagedAtTop(why)),
    };
    (First { kind: LinkKind::Damaged, label, because: None, budgets_unknown: true }, startup)
}

/// A second name for what could not be used; it keeps the first until a new journal takes that.
fn keep_damaged(files: &Files) -> io::Result<()> {
    files.folder.remove(&files.damaged)?;
    // A file system without hard links keeps none.
    if let Err(error) = files.folder.link(&files.journal, &files.damaged) {
        log::warn!("the damaged journal is not kept: {error}");
    }
    Ok(())
}

/// A journal of two lines.
fn begin(files: &Files, lattice: &Lattice, now: Timestamp, first: &First) -> Result<(Log, Replayed), StateError> {
    let record = Record::Instance {
        kind: first.kind,
        label: lattice.text(&first.label),
        because: first.because.clone(),
        budgets_unknown: first.budgets_unknown,
    };
    let writing = || files.writing(&files.journal);
    let mut writer = Writer::new(files, now.0).map_err(writing())?;
    writer.put(&record).map_err(writing())?;
    writer.finish(files)?.named?;
    let log = files.folder.log(&files.journal).map_err(files.reading(&files.journal))?;
    let log = log.ok_or_else(|| files.damage(&files.journal, "it was written and is not there".into()))?;
    let replayed = replay(files, &log, lattice, now)?;
    Ok((log, replayed))
}

/// Keeps the highest clearance that was ever kept here and this one.
///
/// # Errors
///
/// When the operating system gives one.
pub(crate) fn keep_clearance(
    files: &Files,
    lattice: &Lattice,
    subject: &Subject,
    highest: &Highest,
) -> Result<(), StateError> {
    match highest {
        Highest::Known(highest) if highest.dominates(&subject.clearance) => Ok(()),
        Highest::Known(highest) => clearance::write(files, lattice, &highest.join(&subject.clearance)),
        // It stays unknown for good: no clearance that comes later says what an earlier one was.
        Highest::Unknown => Ok(()),
        Highest::Never => clearance::write(files, lattice, &subject.clearance),
    }
}
