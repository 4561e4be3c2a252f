//! What a policy says that can hardly be meant. None of it is a mistake, so none of it refuses the file.
//!
//! **What is absent on purpose.** Anything that depends on what a program does: only what follows from the file alone is
//! said here, so that a warning is always worth reading. Whether a rule has expired: there is no clock here.

mod covert;
mod lifting;
mod unusable;

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Place};
use crate::lattice::MAX_WIRE_LABEL_BYTES;
use crate::policy::Policy;

/// All warnings, in the order of the file.
pub(crate) fn warnings(policy: &Policy) -> Vec<Diagnostic> {
    let mut found = Found { file: Arc::clone(&policy.file), warnings: Vec::new() };
    unusable::never_permitted(policy, &mut found);
    unusable::bound_to_one_label(policy, &mut found);
    unusable::floats_unheard(policy, &mut found);
    covert::low_callers(policy, &mut found);
    covert::floor_above_object(policy, &mut found);
    lifting::reads_down_anywhere(policy, &mut found);
    lifting::guard_below_clearance(policy, &mut found);
    lifting::trusted_for_nothing(policy, &mut found);
    lifting::tasks_for_any_body(policy, &mut found);
    lifting::handles_that_never_differ(policy, &mut found);
    lifting::lifted_unheard(policy, &mut found);
    too_long_for_the_wire(policy, &mut found);
    found.warnings.sort_by_key(|warning| (warning.line, warning.column));
    found.warnings
}

/// Warnings gathered so far.
struct Found {
    file: Arc<str>,
    warnings: Vec<Diagnostic>,
}

impl Found {
    fn add(&mut self, place: Place, message: String, help: String) {
        self.warnings.push(Diagnostic {
            file: Arc::clone(&self.file),
            line: place.line,
            column: place.column,
            message,
            help: Some(help),
        });
    }
}

/// A current label that no header can carry is `label-out-of-range` at every other gateway.
fn too_long_for_the_wire(policy: &Policy, found: &mut Found) {
    for subject in policy.subjects() {
        let length = policy.lattice().text(&subject.clearance).len();
        if length > MAX_WIRE_LABEL_BYTES {
            found.add(
                subject.place,
                format!(
                    "the clearance of `{}` takes {length} bytes as text, and {MAX_WIRE_LABEL_BYTES} fit on the wire",
                    subject.name
                ),
                String::from("use shorter names of categories, or fewer of them for one subject"),
            );
        }
    }
}
