//! Objects from the body: which objects a request reaches, by values that its validated body holds.
//!
//! **What holds.** Where values point to several objects, the request reaches all of them. A value that no case takes, one
//! that is no text, and a body in which no pointer finds a value lead to the object of the route (or of the case around)
//! itself, whose label is the bottom of the lattice. The gateway decides, by the body alone; no hint of the caller counts.
//!
//! A pointer that finds nothing, `null` or an empty list says nothing, as long as another one of the same list finds a
//! value: a message without `cc` goes to whom `recipients` names.
//!
//! **What is bounded.** 4,096 values of one body at each depth; where there are more, every object of the route is reached.
//! Each list of cases is evaluated once for a body, however many values lead to it.

use std::sync::Arc;

use serde_json::Value;

use crate::content::Content;
use crate::matcher::Matcher;
use crate::object::Object;
use crate::objects::Objects;
use crate::pointer::{Found, Pointer, Values};

/// How many values of one body are looked at.
const MAX_VALUES: usize = 4096;

/// `objects` of a route or a case.
#[derive(Debug)]
pub(crate) struct Naming {
    /// What no case takes: the route's or case's own object, labelled as the bottom.
    pub(crate) rest: Arc<Object>,
    pub(crate) at: Vec<Pointer>,
    pub(crate) cases: Vec<Case>,
}

/// One case.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) when: Matcher,
    pub(crate) then: Then,
}

/// Where a case leads.
#[derive(Debug)]
pub(crate) enum Then {
    /// To an object.
    Object(Arc<Object>),
    /// To further values of the body.
    Naming(Naming),
}

impl Naming {
    /// What a request reaches, as far as its body is known.
    pub(crate) fn objects(&self, content: Content<'_>) -> Objects {
        match content {
            Content::Unread => Objects::some_of(Arc::clone(&self.rest), self.leaves()),
            Content::Nothing => Objects::one(Arc::clone(&self.rest)),
            Content::Json(body) => {
                let mut reached = Vec::new();
                if !self.collect(body, &mut reached) {
                    return Objects::all_of(Arc::clone(&self.rest), self.leaves());
                }
                let mut reached = reached.into_iter();
                match reached.next() {
                    Some(first) => Objects::all_of(first, reached.collect()),
                    None => Objects::one(Arc::clone(&self.rest)),
                }
            }
        }
    }

    /// Every object below, without this one's own.
    fn leaves(&self) -> Vec<Arc<Object>> {
        let mut leaves = Vec::new();
        for case in &self.cases {
            match &case.then {
                Then::Object(object) => leaves.push(Arc::clone(object)),
                Then::Naming(naming) => {
                    leaves.push(Arc::clone(&naming.rest));
                    leaves.extend(naming.leaves());
                }
            }
        }
        leaves
    }

    /// Adds what `body` names, in the order of its values; every list of cases is walked at most once, so nothing comes
    /// twice. `false` where there are too many values.
    fn collect(&self, body: &Value, reached: &mut Vec<Arc<Object>>) -> bool {
        // Which case took a value; `None` for no case at all. Each once, in the order in which they first come.
        let mut taken: Vec<Option<usize>> = Vec::new();
        let mut values = 0_usize;
        for pointer in &self.at {
            let Found::Values(found) = Values::of(pointer.find(body)) else { continue };
            for value in found {
                values += 1;
                if values > MAX_VALUES {
                    return false;
                }
                let case = value.and_then(|value| self.cases.iter().position(|case| case.when.takes(value)));
                if !taken.contains(&case) {
                    taken.push(case);
                }
            }
        }
        if taken.is_empty() {
            taken.push(None);
        }
        taken.into_iter().all(|case| match case.and_then(|case| self.cases.get(case)).map(|case| &case.then) {
            Some(Then::Naming(naming)) => naming.collect(body, reached),
            Some(Then::Object(object)) => {
                reached.push(Arc::clone(object));
                true
            }
            None => {
                reached.push(Arc::clone(&self.rest));
                true
            }
        })
    }
}
