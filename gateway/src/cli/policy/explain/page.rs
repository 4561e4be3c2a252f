//! The explanation for a person.

use std::fmt::Write as _;

use super::{Explanation, Step};

/// Several lines with a line feed at the end.
pub(super) fn of(told: &Explanation) -> String {
    let mut page = String::new();
    match told.reasons.first() {
        None => put(&mut page, format_args!("permitted\n")),
        Some(first) => put(&mut page, format_args!("refused: {}\n", first.reason)),
    }
    let id = if told.subject == told.subject_id { String::new() } else { format!(" ({})", told.subject_id) };
    let may = if told.permit { "may" } else { "may not" };
    put(&mut page, format_args!("  {}{id} {may} {} {}.\n", told.subject, told.mode, told.object));
    facts(&mut page, told);
    for (index, why) in told.reasons.iter().enumerate() {
        row(&mut page, if index == 0 { "why" } else { "and" }, &format!("{}: {}", why.reason, why.text));
    }
    if let Some(lowered) = &told.downgrade {
        row(&mut page, "lets it", &format!("{}, a {} rule: it goes as {}", lowered.rule, lowered.kind, lowered.label));
    }
    cause(&mut page, told);
    chain(&mut page, &told.chain, &told.object);
    if !told.remedies.is_empty() {
        put(&mut page, format_args!("\n  what can be done"));
        let wide = told.remedies.iter().map(|way| way.action.chars().count()).max().unwrap_or_default();
        for way in &told.remedies {
            put(&mut page, format_args!("    {:wide$}  {}", way.action, way.text));
        }
    }
    for note in &told.notes {
        put(&mut page, format_args!("\nnote: {note}"));
    }
    page
}

fn facts(page: &mut String, told: &Explanation) {
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| String::from("-"));
    if let Some(asked) = &told.asked {
        row(page, "request", &format!("{}, {} on {}", asked.request_id, asked.point, asked.listener));
        row(page, "at", &asked.at);
        if let Some(handle) = &asked.handle {
            row(page, "under handle", handle);
        }
    }
    row(page, "current label", &dash(&told.current));
    row(page, "object's label", &dash(&told.object_label));
    row(page, "clearance", &dash(&told.clearance));
    row(page, "rule", told.rule.as_deref().unwrap_or("none"));
    row(page, "policy", &told.policy);
    page.push('\n');
}

fn cause(page: &mut String, told: &Explanation) {
    let Some(cause) = &told.cause else { return };
    let label = cause.label.as_ref().map(|label| format!(", labelled {label}")).unwrap_or_default();
    let at = cause.at.as_ref().map(|at| format!(", at {at}")).unwrap_or_default();
    row(page, "because of", &format!("{}{label}{at}", cause.object));
    if let Some(request) = &cause.request_id {
        let how = match (&cause.mode, &cause.rule) {
            (Some(mode), Some(rule)) => format!(": {mode}, by {rule}"),
            (Some(mode), None) => format!(": {mode}"),
            (None, _) => String::new(),
        };
        row(page, "", &format!("request {request}{how}"));
    }
}

fn chain(page: &mut String, chain: &[Step], object: &str) {
    if chain.is_empty() {
        return;
    }
    put(page, format_args!("\n  how the label rose"));
    let wide = |of: fn(&Step) -> usize| chain.iter().map(of).max().unwrap_or_default();
    let (name, after) = (wide(|step| step.object.chars().count()), wide(|step| step.after.chars().count()));
    for step in chain {
        let at = step.at.as_ref().map(|at| format!("{at}  ")).unwrap_or_default();
        let mark = if step.is_cause { format!("  <- from here on {object} is out of reach") } else { String::new() };
        put(page, format_args!("    {at}{:name$}  -> {:after$}{mark}", step.object, step.after));
        if let Some(request) = &step.request_id {
            put(page, format_args!("    {:length$}request {request}", "", length = at.chars().count()));
        }
    }
}

fn row(page: &mut String, name: &str, text: &str) {
    put(page, format_args!("  {name:<16}{text}"));
}

fn put(page: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(page, "{}", content.to_string().trim_end_matches(' '));
}
