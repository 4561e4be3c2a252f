//! A counterexample, told so that a person can follow it.

use std::fmt::Write as _;

use stateright::Path;

use crate::label::Label;
use crate::protocol::Protocol;
use crate::state::{Chunk, Flow, Holder, State};
use crate::step::Step;
use crate::world::{Target, World};

/// The policy, the steps with what each changed, and what leaked.
pub(crate) fn tell(protocol: &Protocol, path: Path<State, Step>) -> String {
    let last = *path.last_state();
    let steps = path.into_vec();
    let mut told = steps.first().map_or_else(String::new, |(first, _)| workloads(protocol.world(first)));
    let after = steps.iter().skip(1).map(|(state, _)| state);
    for (number, ((before, step), after)) in steps.iter().zip(after).enumerate() {
        let Some(step) = step else { continue };
        writeln!(told, "{:3}. {}{}", number + 1, sentence(protocol, before, after, *step), changes(before, after))
            .unwrap();
    }
    if let Some(leak) = last.leak {
        let (holder, label) = match leak.holder {
            Holder::Memory(seat) => {
                let seat = usize::from(seat);
                (format!("w{seat}, cleared for"), protocol.world(&last).seats[seat].clearance)
            }
            Holder::Object(to) => (format!("{}, labelled", target(to)), label_of(protocol.world(&last), to)),
        };
        writeln!(told, "  => {holder} {}, holds {}", label.text(), leak.what.text()).unwrap();
    }
    told
}

fn workloads(world: &World) -> String {
    let mut told = String::new();
    for (index, seat) in world.seats.iter().enumerate() {
        let gateway = if seat.gateway { "" } else { ", without a gateway" };
        let (floor, clearance, object) = (seat.floor.text(), seat.clearance.text(), seat.object.text());
        writeln!(told, "  w{index}: floor {floor}, clearance {clearance}, serves o{index} at {object}{gateway}")
            .unwrap();
    }
    told
}

fn target(to: Target) -> String {
    match to {
        Target::Workload(_) => to.name(),
        Target::Outside(label) => format!("an outside object at {}", label.text()),
    }
}

fn label_of(world: &World, to: Target) -> Label {
    match to {
        Target::Workload(seat) => world.seats[seat].object,
        Target::Outside(label) => label,
    }
}

fn request(flow: &Flow) -> String {
    let under = flow.under.map_or_else(String::new, |session| format!(" under session {session}"));
    format!("w{}'s request{under} to {}", flow.from, target(flow.to))
}

fn sentence(protocol: &Protocol, before: &State, after: &State, step: Step) -> String {
    let on = |flow: usize| before.flows[flow].as_ref().map_or_else(String::new, request);
    let more = |flow: usize| {
        if before.flows[flow].is_some_and(|flow| flow.said.is_some()) { "more of an answer" } else { "an answer" }
    };
    let ended = |flow: usize| {
        // A flow that a step ends leaves no copy of itself with anything on its way.
        let open = |state: &State| state.flows.iter().flatten().count();
        if open(after) < open(before) && before.flows[flow].is_some() { ", and it ends" } else { "" }
    };
    match step {
        Step::Ask { from, to, append, under } => {
            let how = if append { "appends to" } else { "asks" };
            let under = under.map_or_else(String::new, |session| format!(", under session {session}"));
            format!("w{from} {how} {}{under}", target(to))
        }
        Step::Write { flow } => format!("w{} writes more on {}{}", from(before, flow), on(flow), ended(flow)),
        Step::Accept { flow, given } => {
            let given = given.map_or_else(String::new, |session| format!(", and opens session {session} for it"));
            format!("the callee's gateway takes in {}{given}{}", on(flow), ended(flow))
        }
        Step::Deliver { flow } => format!("and delivers {}", on(flow)),
        Step::Answer { flow } => format!("{} to {}{}", more(flow), on(flow), ended(flow)),
        Step::Take { flow } => {
            format!("the gateway of w{} takes in the answer to {}{}", from(before, flow), on(flow), ended(flow))
        }
        Step::Release { flow } => format!("and releases the answer to {}", on(flow)),
        Step::CountLate { flow } => format!("a gateway counts only now what it passed on of {}", on(flow)),
        Step::Sync { seat } => format!("the disk of w{seat}'s gateway has its watermark"),
        Step::Close { flow } => format!("{} is closed", on(flow)),
        Step::Open { session } => format!("w0 opens session {session}"),
        Step::End { session } => format!("session {session} ends"),
        Step::Crash { seat, state_lost } => {
            let lost = if state_lost { ", its state lost," } else { "" };
            format!("the gateway of w{seat} dies{lost} and starts again")
        }
        Step::Reset { seat } => format!("an operator resets w{seat}"),
        Step::Reload { world } => {
            format!("another policy:\n{}", workloads(&protocol.worlds[usize::from(world)])).trim_end().to_owned()
        }
    }
}

fn from(state: &State, flow: usize) -> u8 {
    state.flows[flow].map_or(0, |flow| flow.from)
}

/// Watermarks and memories that moved, and what is newly on its way.
fn changes(before: &State, after: &State) -> String {
    let mut told = String::new();
    for (index, (old, new)) in before.instances.iter().zip(&after.instances).enumerate() {
        moved(&mut told, &format!("watermark of w{index}"), Some(old.watermark), Some(new.watermark));
        moved(&mut told, &format!("memory of w{index}"), Some(old.memory), Some(new.memory));
    }
    for (index, (old, new)) in before.sessions.iter().zip(&after.sessions).enumerate() {
        moved(
            &mut told,
            &format!("watermark of session {index}"),
            old.map(|it| it.watermark),
            new.map(|it| it.watermark),
        );
        moved(&mut told, &format!("memory of session {index}"), old.map(|it| it.memory), new.map(|it| it.memory));
    }
    for flow in after.flows.iter().flatten().filter(|flow| !before.flows.contains(&Some(**flow))) {
        if let Chunk::Sent(carried) = flow.up {
            write!(told, "; on its way, stating {}: {}", flow.stated.text(), carried.text()).unwrap();
        }
        if let Chunk::Sent(carried) = flow.down {
            let said = flow.said.map_or_else(String::new, |said| format!(", stating {}", said.text()));
            write!(told, "; on its way back{said}: {}", carried.text()).unwrap();
        }
    }
    told
}

fn moved(told: &mut String, what: &str, old: Option<Label>, new: Option<Label>) {
    if old != new
        && let Some(new) = new
    {
        match old {
            Some(old) => write!(told, "; {what}: {} -> {}", old.text(), new.text()).unwrap(),
            None => write!(told, "; {what}: {}", new.text()).unwrap(),
        }
    }
}
