//! Workloads, objects, and what is on its way between them. Every datum carries where it came from.

use std::collections::HashMap;
use std::sync::Arc;

use bellgate_policy::{Content, Mode, Objects, Policy, RequestShape, SecurityLabel, Timestamp};
use serde_json::{Value, json};

use crate::call::Call;
use crate::flow::Flow;
use crate::plan::{Kind, Plain, Plan, RECIPIENTS};
use crate::station::{Data, Facts, Station};

/// Flows at once.
const FLOWS: usize = 5;

/// What happened in a run, so that a test knows that something did.
#[derive(Default, Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) requests: usize,
    pub(crate) refused: usize,
    pub(crate) delivered: usize,
    pub(crate) released: usize,
    pub(crate) withheld: usize,
    pub(crate) chunks: usize,
    pub(crate) ended: usize,
    pub(crate) trusted: usize,
    pub(crate) guarded: usize,
    pub(crate) read_down: usize,
    pub(crate) over_budget: usize,
    pub(crate) tasks: usize,
    pub(crate) lifted_by_task: usize,
    pub(crate) sessions: usize,
    pub(crate) resets: usize,
    pub(crate) crashes: usize,
    pub(crate) reloads: usize,
}

/// Somebody holds what it does not dominate, or a rule was used that does not say so.
pub(crate) type Leak = String;

pub(crate) struct Mesh {
    pub(crate) plans: [Plan; 2],
    pub(crate) policies: [Arc<Policy>; 2],
    /// The policy in force.
    pub(crate) now_in_force: usize,
    pub(crate) now: Timestamp,
    pub(crate) stations: Vec<Option<Station>>,
    pub(crate) flows: Vec<Flow>,
    /// The label under which each datum came to be, and where.
    data: Vec<(Plain, String)>,
    /// What a peer without a gateway has: all that it may read.
    pub(crate) bare: Vec<Data>,
    /// Bytes that went out under `read_down`, by subject and object, since the last reset.
    pub(crate) spent: HashMap<(usize, usize), u64>,
    pub(crate) seen: Seen,
    /// What happened, for a person, where somebody wants to know.
    pub(crate) story: Option<String>,
    pub(crate) left_out: Option<Call>,
}

impl Mesh {
    pub(crate) fn new(plans: &[Plan; 2], left_out: Option<Call>) -> Self {
        let policies = [read(&plans[0]), read(&plans[1])];
        let now = Timestamp(1_800_000_000_000);
        let mut mesh = Self {
            plans: plans.clone(),
            policies: policies.map(Arc::new),
            now_in_force: 0,
            now,
            stations: Vec::new(),
            flows: Vec::new(),
            data: Vec::new(),
            bare: Vec::new(),
            spent: HashMap::new(),
            seen: Seen::default(),
            story: None,
            left_out,
        };
        for (index, one) in plans[0].workloads.iter().enumerate() {
            let station = (one.kind != Kind::Bare).then(|| {
                let mut station = Station::new(&mesh.policies[0], index, now, left_out);
                station.memory = Data::from([mesh.data.len()]);
                station
            });
            mesh.stations.push(station);
            // Beside what it reads, a workload has what its floor allows for; without a gateway, all that it may read.
            let has = if one.kind == Kind::Bare { one.clearance } else { one.floor };
            let has = mesh.datum(has, format!("w{index}"));
            mesh.bare.push(has);
        }
        mesh
    }

    pub(crate) fn has(&self, call: Call) -> bool {
        self.left_out != Some(call)
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plans[self.now_in_force]
    }

    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policies[self.now_in_force])
    }

    pub(crate) fn kind(&self, workload: usize) -> Kind {
        self.plans[0].workloads[workload].kind
    }

    pub(crate) fn station(&mut self, index: usize) -> &mut Station {
        self.stations[index].as_mut().unwrap()
    }

    pub(crate) fn is_served(&self, object: usize) -> bool {
        object < self.stations.len()
    }

    /// A new datum.
    pub(crate) fn datum(&mut self, label: Plain, origin: String) -> Data {
        self.data.push((label, origin));
        Data::from([self.data.len() - 1])
    }

    /// `data`, of which somebody declares that it is no more than `label`.
    pub(crate) fn lowered(&mut self, data: &Data, label: Plain) -> Data {
        let mut lowered = Data::new();
        for one in data {
            let (of, origin) = self.data[*one].clone();
            match label.dominates(of) {
                true => lowered.extend([*one]),
                false => lowered.extend(self.datum(of.meet(label), format!("{origin}, declared"))),
            }
        }
        lowered
    }

    /// What a label of the code means, by its text alone.
    pub(crate) fn plain(&self, label: &SecurityLabel) -> Plain {
        let text = self.policies[0].lattice().text(label);
        let (level, categories) = text.split_once(':').unwrap_or((&text, ""));
        let level = crate::plan::LEVELS.iter().position(|known| *known == level).unwrap();
        let bit = |(bit, name): (usize, &&str)| u8::from(categories.split(',').any(|one| one == *name)) << bit;
        let categories = crate::plan::CATEGORIES.iter().enumerate().map(bit).sum();
        Plain { level: u8::try_from(level).unwrap(), categories }
    }

    /// That `holder` may hold `data`.
    pub(crate) fn check(&self, holder: &str, label: Plain, data: &Data) -> Result<(), Leak> {
        for one in data {
            let (of, origin) = &self.data[*one];
            if !label.dominates(*of) {
                return Err(format!("{holder}, {}, holds a datum of {origin}, {}", label.text(), of.text()));
            }
        }
        Ok(())
    }

    pub(crate) fn check_memory(&self, workload: usize, data: &Data) -> Result<(), Leak> {
        self.check(&format!("w{workload}"), self.plan().workloads[workload].clearance, data)
    }

    pub(crate) fn check_object(&self, flow: &Flow, data: &Data) -> Result<(), Leak> {
        let recipients = if flow.recipients.is_empty() { &[0][..] } else { &flow.recipients };
        for recipient in recipients {
            let label = self.plan().label(flow.to, *recipient);
            self.check(&format!("{} {recipient}", self.plan().name(flow.to)), label, data)?;
        }
        Ok(())
    }

    /// What the policy makes of a request.
    pub(crate) fn resolve(&self, policy: &Policy, to: usize, mode: Mode, body: Option<&Value>) -> Objects {
        if to != self.plan().mail() {
            return Objects::one(Arc::clone(policy.object(&self.plan().name(to)).unwrap()));
        }
        let upstream = policy.upstream("mail").unwrap();
        let shape = RequestShape { method: "POST", path: "/send", has_body: mode != Mode::Observe, upgrade: false };
        policy.resolve(upstream, &shape, content(body)).objects
    }

    pub(crate) fn facts<'a>(&self, flow: &'a Flow) -> Facts<'a> {
        Facts {
            objects: &flow.objects,
            mode: flow.mode,
            target: "/send",
            content: content(flow.body.as_ref()),
            declared: flow.declared.as_ref(),
            now: self.now,
        }
    }

    pub(crate) fn has_place(&self) -> bool {
        self.flows.len() < FLOWS
    }

    /// Adds a line to the story, where it is told.
    pub(crate) fn tell(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.story.is_some() {
            let line = line(self);
            self.story.iter_mut().for_each(|story| *story += &format!("{line}\n"));
        }
    }

    /// A flow, for a person.
    pub(crate) fn name_of(&self, flow: &Flow) -> String {
        let under = flow.under.as_ref().map_or_else(String::new, |under| format!(" under {}", under.id.short()));
        let given = flow.given.as_ref().map_or_else(String::new, |given| format!(" given {}", given.id.short()));
        let stated = flow.stated.as_ref().map_or_else(String::new, |(label, rule)| {
            let rule = rule.map_or_else(String::new, |rule| format!(" by {rule}"));
            format!(" stating {}{rule}", self.plain(label).text())
        });
        format!("w{}'s {}{under} of {}{given}{stated}", flow.from, flow.mode.as_str(), self.plan().name(flow.to))
    }

    /// Where everybody stands, for a person.
    pub(crate) fn standing(&self) -> String {
        let mut line = String::from("   ");
        for (index, station) in self.stations.iter().enumerate() {
            let Some(station) = station else { continue };
            let label = self.plain(&station.watermark().reading().label).text();
            let has = station.memory.iter().fold(Plain::BOTTOM, |sum, one| sum.join(self.data[*one].0)).text();
            line += &format!(" w{index}: {label} (has {has})");
            for session in &station.sessions {
                let has = session.memory.iter().fold(Plain::BOTTOM, |sum, one| sum.join(self.data[*one].0)).text();
                line += &format!(" [{}: has {has}]", session.id.short());
            }
        }
        line
    }

    /// A mail's body.
    pub(crate) fn mail(recipients: &[usize]) -> Value {
        let to: Vec<&str> = recipients.iter().map(|one| RECIPIENTS[*one]).collect();
        json!({ "to": to })
    }
}

pub(crate) fn content(body: Option<&Value>) -> Content<'_> {
    body.map_or(Content::Nothing, Content::Json)
}

fn read(plan: &Plan) -> Policy {
    let text = plan.text();
    match Policy::parse("random.yaml", &text) {
        Ok(policy) => policy,
        Err(mistakes) => panic!("{mistakes}\n{text}"),
    }
}
