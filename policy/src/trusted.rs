//! Trusted subjects: rules that let one subject write below its current label, to named objects, until a date.

use std::sync::Arc;

use crate::diagnostic::Place;
use crate::label::SecurityLabel;
use crate::object::Object;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// One entry of `trusted`.
pub(crate) struct Trusted {
    /// `trusted[3]`, or the entry's own `id`.
    pub(crate) rule: Arc<str>,
    pub(crate) subject: Arc<Subject>,
    /// The objects that it names; what is under them is meant, too.
    pub(crate) objects: Vec<Arc<Object>>,
    /// What a request carries that goes under it; `None`: the object's own label.
    pub(crate) label: Option<SecurityLabel>,
    pub(crate) reason: Arc<str>,
    /// It holds before this instant.
    pub(crate) expires: Timestamp,
    pub(crate) place: Place,
}
