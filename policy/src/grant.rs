//! The access matrix: which rule lets which subject reach which object in which mode, and what those rules lift.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::Place;
use crate::guard::{Guard, GuardPoint};
use crate::mode::Mode;
use crate::object::Object;
use crate::read_down::ReadDown;
use crate::subject::Subject;
use crate::trusted::Trusted;

/// One entry of `grants`, as written.
pub(crate) struct Grant {
    pub(crate) subject: Arc<Subject>,
    /// The object that it names.
    pub(crate) object: Arc<Object>,
    /// The object's number and those of all that is under it.
    pub(crate) parts: Range<usize>,
    pub(crate) modes: Vec<(Mode, Place)>,
    /// `grants[3]`, or the entry's own `id`.
    pub(crate) rule: Arc<str>,
    pub(crate) read_down: Option<(Arc<ReadDown>, Place)>,
    pub(crate) guard: Option<(Arc<Guard>, Place)>,
}

/// A row for each subject; in it, a cell for each object that a rule names. What is under an object is looked up by its
/// lineage, so that a grant on an upstream with many routes is one cell.
#[derive(Default)]
pub(crate) struct Matrix(Vec<Row>);

/// Sorted by the object's number.
#[derive(Default)]
struct Row(Vec<(usize, Cell)>);

/// What rules say of one subject and one object.
#[derive(Default)]
pub(crate) struct Cell {
    observe: Option<Granted>,
    append: Option<Granted>,
    alter: Option<Granted>,
    execute: Option<Granted>,
    /// Each with its place in the file, as below.
    pub(crate) read_downs: Vec<(usize, Arc<ReadDown>)>,
    pub(crate) guards: Vec<(usize, Mode, Arc<Guard>)>,
    pub(crate) trusted: Vec<(usize, Arc<Trusted>)>,
}

/// The first rule in the order of the file that grants something.
pub(crate) struct Granted {
    order: usize,
    pub(crate) rule: Arc<str>,
    /// Its guard on answers.
    pub(crate) release_guard: Option<Arc<Guard>>,
}

impl Cell {
    fn of(&self, mode: Mode) -> Option<&Granted> {
        match mode {
            Mode::Observe => self.observe.as_ref(),
            Mode::Append => self.append.as_ref(),
            Mode::Alter => self.alter.as_ref(),
            Mode::Execute => self.execute.as_ref(),
        }
    }

    fn slot(&mut self, mode: Mode) -> &mut Option<Granted> {
        match mode {
            Mode::Observe => &mut self.observe,
            Mode::Append => &mut self.append,
            Mode::Alter => &mut self.alter,
            Mode::Execute => &mut self.execute,
        }
    }

    fn add(&mut self, order: usize, grant: &Grant) {
        for (mode, _) in &grant.modes {
            let guard = grant.guard.as_ref().map(|(guard, _)| guard).filter(|guard| guard.runs_in(*mode));
            self.slot(*mode).get_or_insert_with(|| Granted {
                order,
                rule: Arc::clone(&grant.rule),
                release_guard: guard.filter(|guard| guard.on == GuardPoint::Release).cloned(),
            });
            if let Some(guard) = guard.filter(|guard| guard.on == GuardPoint::Egress) {
                self.guards.push((order, *mode, Arc::clone(guard)));
            }
        }
        if let Some((read_down, _)) = &grant.read_down {
            self.read_downs.push((order, Arc::clone(read_down)));
        }
    }
}

impl Matrix {
    /// Spreads rules, in the order of the file.
    pub(crate) fn of(grants: &[Grant], trusted: &[Arc<Trusted>]) -> Self {
        let mut rows: Vec<BTreeMap<usize, Cell>> = Vec::new();
        for (order, grant) in grants.iter().enumerate() {
            if let Some(cell) = cell(&mut rows, &grant.subject, &grant.object) {
                cell.add(order, grant);
            }
        }
        for (order, rule) in trusted.iter().enumerate() {
            for object in &rule.objects {
                if let Some(cell) = cell(&mut rows, &rule.subject, object) {
                    cell.trusted.push((order, Arc::clone(rule)));
                }
            }
        }
        Self(rows.into_iter().map(|row| Row(row.into_iter().collect())).collect())
    }

    /// The rule that grants this, where there is one.
    pub(crate) fn granted(&self, subject: &Subject, object: &Object, mode: Mode) -> Option<&Granted> {
        self.cells(subject, object).filter_map(|cell| cell.of(mode)).min_by_key(|granted| granted.order)
    }

    /// What rules say of the object and of what it is a part of.
    pub(crate) fn cells(&self, subject: &Subject, object: &Object) -> impl Iterator<Item = &Cell> {
        let row = self.0.get(subject.index).map(|row| row.0.as_slice()).unwrap_or_default();
        object.lineage.iter().filter_map(move |index| {
            let at = row.binary_search_by_key(index, |(known, _)| *known).ok()?;
            row.get(at).map(|(_, cell)| cell)
        })
    }
}

fn cell<'a>(rows: &'a mut Vec<BTreeMap<usize, Cell>>, subject: &Subject, object: &Object) -> Option<&'a mut Cell> {
    if rows.len() <= subject.index {
        rows.resize_with(subject.index + 1, BTreeMap::new);
    }
    rows.get_mut(subject.index).map(|row| row.entry(object.index).or_default())
}
