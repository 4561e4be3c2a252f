//! Raise and read.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bellgate_policy::{Lattice, Observation, SecurityLabel, Subject};
use parking_lot::Mutex;

use crate::state::{StateError, StateFile};

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
    /// Nothing was kept, and the configuration says that the workload is as new as the state.
    NewAtFloor,
    /// Nothing was kept.
    MissingAtClearance,
    /// What was kept could not be used: the watermark starts at the clearance joined with the top
    /// of what the policy has.
    DamagedAtTop(StateError),
}

/// One consistent view of a watermark.
#[derive(Clone)]
pub struct Reading {
    /// Floor joined with all that was released: never below the floor.
    pub label: SecurityLabel,
    /// What raised it last; `None` while it stands at the floor.
    pub cause: Option<Arc<Observation>>,
    /// Moves with every rise: equal versions, equal labels.
    pub version: u64,
}

/// The high-water mark of one instance of one subject.
pub struct Watermark {
    file: StateFile,
    lattice: Mutex<Lattice>,
    now: ArcSwap<Reading>,
}

impl Watermark {
    /// Opens the state of `subject` in `folder`, which must exist.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read or written: a gateway that cannot keep a watermark does not
    /// start. Damaged state is not an error but a [`Startup`].
    pub fn open(
        folder: &Path,
        subject: &Subject,
        lattice: &Lattice,
        missing: Missing,
    ) -> Result<(Self, Startup), StateError> {
        let file = StateFile::new(folder, &subject.id);
        let (label, cause, startup) = match file.read() {
            Ok(Some(state)) => match lattice.parse_label(&state.label) {
                Ok(label) => (label.join(&subject.floor), state.cause.map(Arc::new), Startup::Restored),
                Err(error) => {
                    let why = file.damaged(format!("its label is not one of this policy, {error}"));
                    (lattice.top(), None, Startup::DamagedAtTop(why))
                }
            },
            Ok(None) => match missing {
                Missing::Floor => (subject.floor.clone(), None, Startup::NewAtFloor),
                Missing::Clearance => (subject.clearance.clone(), None, Startup::MissingAtClearance),
            },
            Err(error @ StateError::Damaged { .. }) => (lattice.top(), None, Startup::DamagedAtTop(error)),
            Err(error) => return Err(error),
        };
        // Written at once: a folder that cannot be written is found out now, and a second start
        // finds state.
        file.write(lattice.text(&label), cause.as_deref())?;
        let now = ArcSwap::from_pointee(Reading { label, cause, version: 0 });
        Ok((Self { file, lattice: Mutex::new(lattice.clone()), now }, startup))
    }

    /// The label as it is now, without a lock.
    #[must_use]
    pub fn reading(&self) -> Arc<Reading> {
        self.now.load_full()
    }

    /// Joins `label` into the watermark because of `observation`, and returns once that is durable.
    ///
    /// Costs one comparison when the watermark already dominates `label`, and a disk sync when it
    /// rises. After an error nothing has changed and nothing may be released.
    ///
    /// # Errors
    ///
    /// When the new label could not be made durable.
    pub fn raise(&self, label: &SecurityLabel, observation: Observation) -> Result<Arc<Reading>, StateError> {
        let seen = self.now.load_full();
        if seen.label.dominates(label) {
            return Ok(seen);
        }
        let lattice = self.lattice.lock();
        // Read again under the lock: another raise may have come first.
        let seen = self.now.load_full();
        if seen.label.dominates(label) {
            return Ok(seen);
        }
        let raised = seen.label.join(label);
        self.file.write(lattice.text(&raised), Some(&observation))?;
        let reading = Arc::new(Reading {
            label: raised,
            cause: Some(Arc::new(observation)),
            version: seen.version.saturating_add(1),
        });
        self.now.store(Arc::clone(&reading));
        Ok(reading)
    }

    /// Carries the watermark over to a new policy: raised by the outgoing floor, which is part of
    /// every reading, then told in the new policy's names. A name that the new policy does not
    /// know puts it at the top of the lattice.
    ///
    /// # Errors
    ///
    /// When the result could not be made durable; the old policy must then stay in force.
    pub fn rebase(&self, subject: &Subject, lattice: &Lattice) -> Result<Arc<Reading>, StateError> {
        let mut old = self.lattice.lock();
        let seen = self.now.load_full();
        let label = old.translate(&seen.label, lattice).unwrap_or_else(|| lattice.top()).join(&subject.floor);
        self.file.write(lattice.text(&label), seen.cause.as_deref())?;
        let reading = Arc::new(Reading { label, cause: seen.cause.clone(), version: seen.version.saturating_add(1) });
        self.now.store(Arc::clone(&reading));
        *old = lattice.clone();
        Ok(reading)
    }
}
