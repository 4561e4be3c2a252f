//! The access matrix: which rule lets which subject reach which object in which mode.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::Place;
use crate::mode::Mode;
use crate::object::Object;
use crate::subject::Subject;

/// One entry of `grants`, as written. Its objects are spread over the matrix; this is what warnings look at.
pub(crate) struct Grant {
    pub(crate) subject: Arc<Subject>,
    /// The object named, and, where that is an upstream, its routes.
    pub(crate) objects: Vec<Arc<Object>>,
    pub(crate) modes: Vec<(Mode, Place)>,
    /// `grants[3]`, or the entry's own `id`.
    pub(crate) rule: Arc<str>,
}

/// A row for each subject, its objects in it by number; of rules that say the same, the first in the order of the file stands.
#[derive(Default)]
pub(crate) struct Matrix(Vec<BTreeMap<usize, Rules>>);

#[derive(Default)]
struct Rules {
    observe: Option<Arc<str>>,
    append: Option<Arc<str>>,
    alter: Option<Arc<str>>,
    execute: Option<Arc<str>>,
}

impl Rules {
    fn of(&self, mode: Mode) -> Option<&Arc<str>> {
        match mode {
            Mode::Observe => self.observe.as_ref(),
            Mode::Append => self.append.as_ref(),
            Mode::Alter => self.alter.as_ref(),
            Mode::Execute => self.execute.as_ref(),
        }
    }

    fn slot(&mut self, mode: Mode) -> &mut Option<Arc<str>> {
        match mode {
            Mode::Observe => &mut self.observe,
            Mode::Append => &mut self.append,
            Mode::Alter => &mut self.alter,
            Mode::Execute => &mut self.execute,
        }
    }
}

impl Matrix {
    /// Spreads grants, in the order of the file.
    pub(crate) fn of(grants: &[Grant]) -> Self {
        let mut rows: Vec<BTreeMap<usize, Rules>> = Vec::new();
        for grant in grants {
            if rows.len() <= grant.subject.index {
                rows.resize_with(grant.subject.index + 1, BTreeMap::new);
            }
            let Some(row) = rows.get_mut(grant.subject.index) else { continue };
            for object in &grant.objects {
                let rules = row.entry(object.index).or_default();
                for (mode, _) in &grant.modes {
                    rules.slot(*mode).get_or_insert_with(|| Arc::clone(&grant.rule));
                }
            }
        }
        Self(rows)
    }

    /// The rule that grants this, where there is one.
    pub(crate) fn rule(&self, subject: &Subject, object: &Object, mode: Mode) -> Option<&Arc<str>> {
        self.0.get(subject.index)?.get(&object.index)?.of(mode)
    }
}
