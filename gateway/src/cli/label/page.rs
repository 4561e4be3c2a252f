//! What a person reads.

use std::fmt::Write as _;

use super::seen::{Done, Handles, Rise, Seen};

/// One page about a workload's label; `flags` name the same gateway again.
pub(super) fn of(seen: &Seen, flags: &str) -> String {
    let mut page = String::new();
    let name = seen.name.as_deref().unwrap_or(&seen.subject);
    put(&mut page, format_args!("{name} ({})\n", seen.subject));
    put(&mut page, format_args!("  current label   {}", seen.label));
    put(&mut page, format_args!("  floor           {}", seen.floor));
    put(&mut page, format_args!("  clearance       {}", seen.clearance));
    put(&mut page, format_args!("  policy          {}\n", seen.policy));
    raised(&mut page, seen);
    if let Some(reset) = &seen.reset {
        put(
            &mut page,
            format_args!("\nlast reset\n  {}  from {}, by uid {}: {}", reset.at, reset.before, reset.uid, reset.reason),
        );
    }
    budgets(&mut page, seen);
    handles(&mut page, &seen.handles);
    if seen.floats && seen.label != seen.floor {
        put(
            &mut page,
            format_args!(
                "\nIt does not fall by itself. Once this workload has forgotten what it read:\n  bellgate label reset {flags} --reason \"...\""
            ),
        );
    }
    page
}

fn raised(page: &mut String, seen: &Seen) {
    put(page, format_args!("what raised it"));
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| String::from("-"));
    let wide = |of: fn(&Rise) -> usize| seen.chain.iter().map(of).max().unwrap_or_default();
    let length = |text: &Option<String>| text.as_ref().map_or(1, |text| text.chars().count());
    let at = seen.chain.iter().map(|rise| length(&rise.at)).max().unwrap_or_default();
    let label = seen.chain.iter().map(|rise| length(&rise.label)).max().unwrap_or_default();
    let what = wide(|rise| rise.what().chars().count());
    for rise in &seen.chain {
        put(
            page,
            format_args!(
                "  {:at$}  {:what$}  {:label$}  -> {}",
                dash(&rise.at),
                rise.what(),
                dash(&rise.label),
                rise.after
            ),
        );
        if let Some(request) = &rise.request_id {
            put(page, format_args!("  {:at$}  request {request}", ""));
        }
    }
    if seen.rose() {
        return;
    }
    let why = if !seen.floats {
        "nothing can: its floor is its clearance, so it counts as having read all that it may"
    } else if seen.label == seen.floor {
        "nothing: it stands at its floor"
    } else {
        "no request: it started there, because what it had seen before was not known (see the gateway's log)"
    };
    put(page, format_args!("  {why}"));
}

fn budgets(page: &mut String, seen: &Seen) {
    if seen.budgets.is_empty() {
        return;
    }
    put(page, format_args!("\nread down since the last reset"));
    let rule = seen.budgets.iter().map(|budget| budget.rule.chars().count()).max().unwrap_or_default();
    for budget in &seen.budgets {
        match budget.budget {
            Some(most) => put(
                page,
                format_args!(
                    "  {:rule$}  {} of {most} bytes, {} left",
                    budget.rule,
                    budget.spent,
                    most.saturating_sub(budget.spent)
                ),
            ),
            None => put(
                page,
                format_args!(
                    "  {:rule$}  {} bytes, by a rule that the policy no longer has",
                    budget.rule, budget.spent
                ),
            ),
        }
    }
}

fn handles(page: &mut String, handles: &Handles) {
    let Some(limit) = handles.limit else { return };
    put(page, format_args!("\nhandles: {} open, {limit} at most", handles.open));
    let label = handles.list.iter().map(|handle| handle.label.chars().count()).max().unwrap_or_default();
    for handle in &handles.list {
        let task = if handle.task.is_some() { ", with grants of a task" } else { "" };
        put(
            page,
            format_args!(
                "  {}  {:label$}  opened {}, until {}{task}",
                handle.handle, handle.label, handle.opened_at, handle.expires
            ),
        );
    }
    let shown = u64::try_from(handles.list.len()).unwrap_or(u64::MAX);
    if shown < handles.open {
        put(page, format_args!("  and {} more", handles.open.saturating_sub(shown)));
    }
}

/// What a reset did.
pub(super) fn of_reset(done: &Done) -> String {
    let handles = match done.handles_closed {
        0 => String::from("no handle was open"),
        1 => String::from("one handle was closed"),
        many => format!("{many} handles were closed"),
    };
    format!(
        "{} counts as new since {}: its label was {} and is {}; budgets start anew, {handles}\n",
        done.subject, done.at, done.before, done.label
    )
}

fn put(page: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(page, "{content}");
}
