//! A verdict for a person who writes policies: what was compared, why, and what to do next.

use std::fmt::Write as _;

use super::{Inquiry, verdict};
use crate::label::SecurityLabel;
use crate::lattice::Lattice;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::record::VerdictRecord;
use crate::remedy::Remedy;
use crate::timestamp::Timestamp;
use crate::verdict::Verdict;

/// The text of an answer to `inquiry`, several lines with a line feed at the end. `now` is the time that the answer was
/// asked at.
#[must_use]
pub fn explain(policy: &Policy, inquiry: &Inquiry, record: &VerdictRecord, now: Timestamp) -> String {
    let remedies = match verdict(policy, inquiry, now) {
        Ok(Verdict::Denial(denial)) => denial.remedies(policy),
        Ok(Verdict::Permit(_)) | Err(_) => Vec::new(),
    };
    let page = Page { policy, inquiry, record, remedies };
    let mut text = String::new();
    page.headline(&mut text);
    page.table(&mut text);
    page.why(&mut text);
    page.next(&mut text);
    text
}

struct Page<'a> {
    policy: &'a Policy,
    inquiry: &'a Inquiry,
    record: &'a VerdictRecord,
    remedies: Vec<Remedy>,
}

impl Page<'_> {
    fn headline(&self, text: &mut String) {
        let record = self.record;
        match record.reasons.first() {
            None => text.push_str("permitted\n\n"),
            Some(first) => line(text, format_args!("refused: {first}\n")),
        }
        let may = if record.permit { "may" } else { "may not" };
        let name = self.subject_name();
        let id = if name == record.subject { String::new() } else { format!(" ({})", record.subject) };
        line(text, format_args!("  {name}{id} {may} {} {}.\n", record.mode, record.object));
    }

    fn subject_name(&self) -> String {
        self.policy
            .subjects()
            .find(|subject| subject.id.as_str() == self.record.subject)
            .map_or_else(|| self.record.subject.clone(), |subject| subject.name.to_string())
    }

    fn table(&self, text: &mut String) {
        let record = self.record;
        let known = self.policy.object(&record.object).is_some();
        let no_label = if known { "none" } else { "none: the policy has no object of this name" };
        let origin = match (&self.inquiry.current, &record.current) {
            (Some(_), _) | (None, None) => "",
            (None, Some(_)) => "   (the floor: none was given)",
        };
        let dash = || String::from("-");
        let rows = [
            ("current label", record.current.clone().map_or_else(dash, |label| label + origin)),
            ("object's label", record.object_label.clone().unwrap_or_else(|| no_label.to_owned())),
            ("clearance", record.clearance.clone().unwrap_or_else(dash)),
            ("rule", record.rule.clone().unwrap_or_else(|| String::from("none"))),
        ];
        for (name, value) in rows {
            line(text, format_args!("  {name:<16}{value}"));
        }
        text.push('\n');
    }

    fn why(&self, text: &mut String) {
        if self.record.permit {
            let lead = "why";
            let granted = self.record.rule.as_deref().unwrap_or("");
            line(text, format_args!("  {lead:<16}{granted} grants it;"));
            if self.record.mode.reads() {
                let (above, below) = (&self.record.clearance, &self.record.object_label);
                line(text, format_args!("  {:<16}no read up: {};", "", shown(above, below)));
            }
            let (above, below) = (&self.record.object_label, &self.record.current);
            match &self.record.downgrade {
                Some(lift) if self.lifted() => line(
                    text,
                    format_args!(
                        "  {:<16}no write down: lifted by {} ({}), and so it goes as {}.",
                        "", lift.rule, lift.kind, lift.label
                    ),
                ),
                Some(_) | None => line(text, format_args!("  {:<16}no write down: {}.", "", shown(above, below))),
            }
            if self.inquiry.body.is_none() && self.depends_on_body() {
                line(text, format_args!("  {:<16}(as far as can be said without a body)", ""));
            }
            return;
        }
        for (index, reason) in self.record.reasons.iter().enumerate() {
            let lead = if index == 0 { "why" } else { "and" };
            line(text, format_args!("  {lead:<16}{reason}: {}", self.because(*reason)));
        }
    }

    fn because(&self, reason: Reason) -> String {
        let record = self.record;
        match reason {
            Reason::UnknownSubject => String::from("the policy names no subject with this SPIFFE ID."),
            Reason::LabelOutOfRange => format!(
                "{} does not lie between the floor, {}, and the clearance, {}{}.",
                record.current.as_deref().unwrap_or("the current label"),
                self.floor().unwrap_or_default(),
                record.clearance.as_deref().unwrap_or(""),
                if self.inquiry.rule.is_some() { ", or no rule of that kind gives just this label here" } else { "" }
            ),
            Reason::NotGranted => String::from("no grant covers this subject, object and mode."),
            Reason::Unlabelled => String::from("the policy gives the object no label."),
            Reason::NoReadUp => self.gap(&record.clearance, &record.object_label),
            Reason::NoWriteDown => self.gap(&record.object_label, &record.current),
            Reason::HandleRefused
            | Reason::UnsupportedHere
            | Reason::ReadDownBudget
            | Reason::GuardFailed
            | Reason::Withheld => reason.explanation().to_owned(),
        }
    }

    fn next(&self, text: &mut String) {
        let Some(first) = self.record.reasons.first() else {
            return;
        };
        text.push('\n');
        if *first == Reason::NoWriteDown && !self.remedies.is_empty() {
            for (index, remedy) in self.remedies.iter().enumerate() {
                let lead = if index == 0 { "next" } else { "or" };
                line(text, format_args!("  {lead:<16}{}: {}.", remedy.action, remedy.text));
            }
            return;
        }
        line(text, format_args!("  {:<16}{}", "next", self.advice(*first)));
    }

    fn advice(&self, reason: Reason) -> String {
        let record = self.record;
        let subject = self.subject_name();
        match reason {
            Reason::UnknownSubject => {
                format!("add it under `subjects`, with `id: {}`.", record.subject)
            }
            Reason::LabelOutOfRange => String::from("ask with a label between the two."),
            Reason::NotGranted if record.object_label.is_none() && !self.has_object() => {
                String::from("check the name of the object, or declare it under `upstreams` or `capabilities`.")
            }
            Reason::NotGranted => format!(
                "to allow it, add to `grants`: {{ subject: {subject}, object: {}, modes: [{}] }}",
                record.object, record.mode
            ),
            Reason::Unlabelled => format!("give `{}` a label.", record.object),
            Reason::NoReadUp => format!(
                "ask as a subject that is cleared for {}, or raise the clearance of `{subject}`.",
                record.object_label.as_deref().unwrap_or("")
            ),
            Reason::NoWriteDown if self.static_subject() => format!(
                "`{subject}` is static: give it a `floor` below its clearance, so that its current label follows what it reads."
            ),
            Reason::NoWriteDown => String::from("write to an object that dominates the current label."),
            Reason::HandleRefused
            | Reason::UnsupportedHere
            | Reason::ReadDownBudget
            | Reason::GuardFailed
            | Reason::Withheld => reason.explanation().to_owned(),
        }
    }

    /// Whether the star property failed and a rule lifted it.
    fn lifted(&self) -> bool {
        let lattice = self.policy.lattice();
        let read = |text: &Option<String>| lattice.parse_label(text.as_deref()?).ok();
        let (above, below) = (read(&self.record.object_label), read(&self.record.current));
        above.is_none_or(|above| below.is_none_or(|below| !above.dominates(&below)))
    }

    /// Whether a body could change the answer.
    fn depends_on_body(&self) -> bool {
        let route = self.policy.object(&self.inquiry.object).and_then(|object| self.policy.route_of(object));
        self.inquiry.task.is_some() || route.is_some_and(|route| route.naming.is_some())
    }

    fn has_object(&self) -> bool {
        self.policy.object(&self.record.object).is_some()
    }

    fn static_subject(&self) -> bool {
        let mut subjects = self.policy.subjects();
        subjects.any(|one| one.id.as_str() == self.record.subject && !one.floats())
    }

    fn floor(&self) -> Option<String> {
        let mut subjects = self.policy.subjects();
        let subject = subjects.find(|one| one.id.as_str() == self.record.subject)?;
        Some(self.policy.lattice().text(&subject.floor))
    }

    /// Why `above` does not dominate `below`, in words.
    fn gap(&self, above: &Option<String>, below: &Option<String>) -> String {
        let lattice = self.policy.lattice();
        let read = |text: &Option<String>| lattice.parse_label(text.as_deref()?).ok();
        let (Some(high), Some(low)) = (read(above), read(below)) else {
            return String::from("one of the two labels is not known.");
        };
        let mut parts = Vec::new();
        if high.level() < low.level() {
            parts.push(format!("{} is below {}", level(lattice, &high), level(lattice, &low)));
        }
        let missing: Vec<String> = missing(lattice, &high, &low);
        if !missing.is_empty() {
            parts.push(format!("it lacks {}", missing.join(", ")));
        }
        format!("{} does not dominate {}: {}.", lattice.text(&high), lattice.text(&low), parts.join(", and "))
    }
}

fn shown(above: &Option<String>, below: &Option<String>) -> String {
    match (above, below) {
        (Some(above), Some(below)) => format!("{above} dominates {below}"),
        _ => String::from("one of the two labels is not known"),
    }
}

fn level(lattice: &Lattice, label: &SecurityLabel) -> String {
    let level = lattice.levels().get(usize::from(label.level()));
    level.map(ToString::to_string).unwrap_or_default()
}

fn missing(lattice: &Lattice, high: &SecurityLabel, low: &SecurityLabel) -> Vec<String> {
    let held: Vec<usize> = high.category_indices().collect();
    low.category_indices()
        .filter(|index| held.binary_search(index).is_err())
        .filter_map(|index| lattice.categories().get(index))
        .map(ToString::to_string)
        .collect()
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{content}");
}
