//! Steps at random, and what each means where it is taken.

use bellgate_policy::{Mode, Timestamp};

use crate::call::Call;
use crate::flow::Bytes;
use crate::mesh::{Leak, Mesh, Seen};
use crate::plan::{Kind, Plain, Plan};
use crate::request::Wish;

/// Numbers to be taken modulo what there is: so every sequence of them means something, and shrinks.
pub(crate) type Step = [u8; 8];

/// Takes the steps one after another.
pub(crate) fn run(plans: &[Plan; 2], steps: &[Step], left_out: Option<Call>) -> Result<Seen, Leak> {
    let mut mesh = Mesh::new(plans, left_out);
    for step in steps {
        mesh.take_step(*step)?;
        mesh.flows.retain(|flow| !flow.is_spent());
    }
    Ok(mesh.seen)
}

/// The same, told for a person.
pub(crate) fn story(plans: &[Plan; 2], steps: &[Step]) -> String {
    let mut mesh = Mesh::new(plans, None);
    mesh.story = Some(String::new());
    let mut stood = String::new();
    for step in steps {
        let taken = mesh.take_step(*step);
        mesh.flows.retain(|flow| !flow.is_spent());
        let stands = mesh.standing();
        if stands != stood {
            mesh.tell(|_| stands.clone());
            stood = stands;
        }
        if taken.is_err() {
            break;
        }
    }
    mesh.story.unwrap_or_default()
}

impl Mesh {
    fn take_step(&mut self, step: Step) -> Result<(), Leak> {
        let [what, who, ..] = step;
        let seat = usize::from(who) % self.stations.len();
        match what % 32 {
            0..9 => {
                let before = self.flows.len();
                let asked = self.ask(self.wish(step));
                if let Some(flow) = self.flows.get(before) {
                    let line = format!("asks: {}", self.name_of(flow));
                    self.tell(|_| line);
                }
                asked
            }
            9..24 => self.on_a_flow(step),
            24 => {
                self.operator(seat, step[2]);
                Ok(())
            }
            25 => {
                self.crash(seat, step[2].is_multiple_of(8));
                Ok(())
            }
            26 => {
                self.reload();
                Ok(())
            }
            27..30 => {
                self.open(seat);
                Ok(())
            }
            30 => {
                self.close(seat, step[2]);
                Ok(())
            }
            _ => {
                // A step back, too: the clock that the code sees keeps the greatest.
                let now = self.now.0;
                self.now = Timestamp(if step[2].is_multiple_of(4) { now - 30_000 } else { now + 20_000 });
                Ok(())
            }
        }
    }

    fn wish(&self, step: Step) -> Wish {
        let [what, who, to, mode, session, streams, declared, bytes] = step.map(usize::from);
        let labels = self.plan().web.clone();
        let policy = self.policy();
        let declared = (declared.is_multiple_of(8)).then(|| {
            let label = labels[declared % labels.len()];
            policy.lattice().parse_label(&label.text()).unwrap()
        });
        let keepers: Vec<usize> = (0..self.stations.len()).filter(|index| self.kind(*index) == Kind::Keeper).collect();
        let wish = Wish {
            from: who % self.stations.len(),
            to: to % self.plan().objects(),
            mode: [Mode::Alter, Mode::Alter, Mode::Observe, Mode::Append][mode % 4],
            recipients: [vec![0], vec![1], vec![2], vec![0, 1], vec![0, 2]][mode / 4 % 5].clone(),
            session: (session.is_multiple_of(2)).then_some(session / 2),
            streams: streams.is_multiple_of(2),
            declared,
            bytes: u64::try_from(bytes % 64).unwrap(),
            task: (streams / 2).is_multiple_of(2),
        };
        // Tasks would be rare by chance alone: a desk gives one, and a keeper does what it grants.
        match (what % 32, self.plan().orchestrator(), keepers.get(who % keepers.len().max(1))) {
            (7, Some(desk), Some(keeper)) => {
                Wish { from: desk, to: *keeper, mode: Mode::Alter, task: true, session: None, declared: None, ..wish }
            }
            (8, Some(_), Some(keeper)) => {
                let to = if to.is_multiple_of(2) { self.stations.len() } else { self.plan().mail() };
                Wish { from: *keeper, to, mode: Mode::Alter, recipients: vec![0], session: Some(session), ..wish }
            }
            _ => wish,
        }
    }

    fn on_a_flow(&mut self, step: Step) -> Result<(), Leak> {
        let [_, which, how, ..] = step.map(usize::from);
        if self.flows.is_empty() {
            return Ok(());
        }
        let flow = self.flows.remove(which % self.flows.len());
        self.tell(|mesh| {
            format!("{} (up {}, down {}, {how})", mesh.name_of(&flow), flow.up.stage(), flow.down.stage())
        });
        // What is on its way mostly goes on.
        let (up, down) = (flow.up.stage(), flow.down.stage());
        match (up, down, how % 8) {
            (_, _, 0) if how.is_multiple_of(64) && !flow.cut => Ok(()),
            (1, _, 1..5) | (1, 0, _) => self.accept(flow),
            (2, _, 1..5) | (2, 0, _) => {
                self.deliver(flow);
                Ok(())
            }
            (_, 1, _) => self.take(flow),
            (_, 2, _) => {
                self.release(flow);
                Ok(())
            }
            (0, _, 1..5) if flow.streams => self.write(flow),
            _ => self.answer(flow),
        }
    }

    /// An operator resets an instance: what its workload has is no more than its floor now.
    fn operator(&mut self, seat: usize, how: u8) {
        if self.stations[seat].is_none() || how.is_multiple_of(2) {
            return;
        }
        self.seen.resets += 1;
        self.tell(|_| format!("reset of w{seat}"));
        let (policy, now, floor) = (self.policy(), self.now, self.plan().workloads[seat].floor);
        let has = self.datum(floor, format!("w{seat}, reset"));
        let station = self.station(seat);
        station.reset(&policy, now);
        station.memory = has;
        self.spent.retain(|(subject, _), _| *subject != seat);
    }

    fn crash(&mut self, seat: usize, lost: bool) {
        if self.stations[seat].is_none() {
            return;
        }
        self.seen.crashes += 1;
        self.tell(|_| format!("crash of w{seat}, journal lost: {lost}"));
        // What has left a gateway arrives; what was inside dies with it.
        for flow in &mut self.flows {
            if flow.from == seat {
                flow.cut = true;
                flow.down = Bytes::Nothing;
            }
            if flow.to == seat {
                flow.cut = true;
                flow.up = Bytes::Nothing;
            }
        }
        let (policy, now) = (self.policy(), self.now);
        let station = self.station(seat);
        station.crash(&policy, now, lost);
        if lost {
            station.sessions.clear();
        }
    }

    fn reload(&mut self) {
        self.seen.reloads += 1;
        self.tell(|mesh| format!("the other policy, from {}", mesh.now_in_force));
        let next = 1 - self.now_in_force;
        let (old, new) = (self.policy(), std::sync::Arc::clone(&self.policies[next]));
        for seat in 0..self.stations.len() {
            let one = self.plans[next].workloads[seat];
            if one.kind == Kind::Bare {
                // A policy says of such a peer what it has, and what is on its way from there.
                self.bare[seat] = self.datum(one.clearance, format!("w{seat}"));
                continue;
            }
            let floor = one.floor;
            let has = self.datum(floor, format!("w{seat}"));
            let station = self.station(seat);
            station.rebase(&old, &new);
            station.memory.extend(&has);
            for session in &mut station.sessions {
                session.memory.extend(&has);
            }
        }
        self.relabel(next);
        self.now_in_force = next;
    }

    /// Who gives something a lower label says so of what is on its way to it, and from it, too.
    fn relabel(&mut self, next: usize) {
        let plan = self.plans[next].clone();
        for index in 0..self.flows.len() {
            let (from, to) = (self.flows[index].from, self.flows[index].to);
            let sender = (self.kind(from) == Kind::Bare).then(|| plan.workloads[from].clearance);
            let up = sender.unwrap_or(Plain::TOP).meet(plan.label(to, 0));
            let down = match self.is_served(to).then(|| self.kind(to)) {
                None => plan.label(to, 2),
                Some(Kind::Multilevel) => plan.workloads[to].object,
                Some(Kind::Bare) => plan.workloads[to].clearance,
                Some(Kind::Floating | Kind::Keeper) => Plain::TOP,
            };
            if let Bytes::Sent(data) = &self.flows[index].up {
                let data = data.clone();
                self.flows[index].up = Bytes::Sent(self.lowered(&data, up));
            }
            if let Bytes::Sent(data) = &self.flows[index].down {
                let data = data.clone();
                self.flows[index].down = Bytes::Sent(self.lowered(&data, down));
            }
        }
    }

    fn open(&mut self, seat: usize) {
        let (policy, now) = (self.policy(), self.now);
        if self.kind(seat) == Kind::Keeper && self.station(seat).open_own(&policy, now).is_some() {
            self.seen.sessions += 1;
        }
    }

    fn close(&mut self, seat: usize, which: u8) {
        let now = self.now;
        let Some(station) = self.stations[seat].as_mut().filter(|station| !station.sessions.is_empty()) else { return };
        let which = usize::from(which) % station.sessions.len();
        if station.sessions[which].ended {
            return;
        }
        if let Some(under) = station.find(which, now) {
            station.watermark().close_handle(&under.handle);
        }
        station.sessions[which].ended = true;
    }
}

impl Bytes {
    /// Nothing, sent, on the last way.
    fn stage(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Sent(_) => 1,
            Self::Passing(..) | Self::Owed(_) => 2,
        }
    }
}

impl Seen {
    pub(crate) fn add(&mut self, other: &Self) {
        let mut other = *other;
        for ((_, sum), (_, count)) in self.fields().into_iter().zip(other.fields()) {
            *sum += *count;
        }
    }

    /// What was counted, and how much of it a run of all cases must have at least.
    pub(crate) fn counts(mut self) -> Vec<(&'static str, usize, usize)> {
        self.fields().into_iter().map(|(name, count)| (name, *count, 5)).collect()
    }

    fn fields(&mut self) -> [(&'static str, &mut usize); 17] {
        [
            ("requests", &mut self.requests),
            ("refused", &mut self.refused),
            ("delivered", &mut self.delivered),
            ("released", &mut self.released),
            ("withheld", &mut self.withheld),
            ("chunks", &mut self.chunks),
            ("ended", &mut self.ended),
            ("trusted", &mut self.trusted),
            ("guarded", &mut self.guarded),
            ("read down", &mut self.read_down),
            ("over budget", &mut self.over_budget),
            ("tasks", &mut self.tasks),
            ("lifted by tasks", &mut self.lifted_by_task),
            ("sessions", &mut self.sessions),
            ("resets", &mut self.resets),
            ("crashes", &mut self.crashes),
            ("reloads", &mut self.reloads),
        ]
    }
}
