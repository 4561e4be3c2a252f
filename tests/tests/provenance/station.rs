//! A workload and its gateway: the gateway's calls are those of the data path, in its order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bellgate_policy::{
    Asked, Content, Mode, Objects, Observation, Permit, Policy, Question, Reason, RuleKind, SecurityLabel, SpiffeId,
    Standing, Task, Timestamp, Verdict, decide, refuse,
};
use bellgate_watermark::{Handle, HandleId, HandleListener, Missing, Opening, Passing, Watermark};
use tempfile::TempDir;

use crate::call::Call;

/// Data, by number.
pub(crate) type Data = BTreeSet<usize>;

/// A session of the keeper, and what it has read in it.
pub(crate) struct Session {
    pub(crate) id: HandleId,
    pub(crate) memory: Data,
    /// What it still writes on answers that are open is what it had; what comes without a handle is none of its business.
    pub(crate) ended: bool,
}

/// A handle that a flow goes under, with its name for the workload.
#[derive(Clone)]
pub(crate) struct Under {
    pub(crate) id: HandleId,
    pub(crate) handle: Arc<Handle>,
}

/// One workload with what it truly has, and its gateway's watermark.
pub(crate) struct Station {
    pub(crate) id: SpiffeId,
    folder: TempDir,
    watermark: Option<Watermark>,
    /// Everything, all sessions together.
    pub(crate) memory: Data,
    pub(crate) sessions: Vec<Session>,
    /// What was read without handles; what decisions would see if handles raised nothing else.
    shadow: SecurityLabel,
    left_out: Option<Call>,
}

/// What a request says, as far as the decision looks at it.
pub(crate) struct Facts<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) mode: Mode,
    pub(crate) target: &'a str,
    pub(crate) content: Content<'a>,
    pub(crate) declared: Option<&'a SecurityLabel>,
    pub(crate) now: Timestamp,
}

impl Station {
    pub(crate) fn new(policy: &Policy, index: usize, now: Timestamp, left_out: Option<Call>) -> Self {
        let id = SpiffeId::parse(&format!("spiffe://a.test/w{index}")).unwrap();
        // Syncs cost nothing in memory, and the journal is what it is.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let subject = policy.subject(&id).unwrap();
        let (watermark, _) = Watermark::open(folder.path(), subject, policy.lattice(), Missing::Floor, now).unwrap();
        let shadow = subject.floor.clone();
        let (memory, sessions) = (Data::new(), Vec::new());
        Self { id, folder, watermark: Some(watermark), memory, sessions, shadow, left_out }
    }

    fn has(&self, call: Call) -> bool {
        self.left_out != Some(call)
    }

    pub(crate) fn watermark(&self) -> &Watermark {
        self.watermark.as_ref().unwrap()
    }

    fn is_open(&self, under: &Under, now: Timestamp) -> bool {
        under.handle.is_open() && under.handle.expires() > self.watermark().clock(now)
    }

    /// The handle of a flow, while it may be used.
    fn open<'a>(&self, under: Option<&'a Under>, now: Timestamp) -> Option<&'a Under> {
        under.filter(|under| self.is_open(under, now))
    }

    /// The workload names a session.
    pub(crate) fn find(&self, session: usize, now: Timestamp) -> Option<Under> {
        let id = &self.sessions.get(session)?.id;
        // As it comes over the wire.
        let id = HandleId::parse(&id.reveal())?;
        let handle = self.watermark().handle(&id, self.watermark().clock(now))?;
        Some(Under { id, handle })
    }

    /// `Asking::decide` for our own workload.
    pub(crate) fn decide(
        &self,
        policy: &Policy,
        facts: &Facts<'_>,
        under: Option<&Under>,
        task: Option<&Task>,
    ) -> (Verdict, u64) {
        let watermark = self.watermark();
        let version = watermark.version();
        let own = watermark.reading();
        let session = under.map(|under| watermark.reading_of(&under.handle));
        let bottom = policy.lattice().bottom();
        let own_label = if self.has(Call::RaiseInstance) { &own.label } else { &self.shadow };
        let current = session.as_ref().map_or(own_label, |session| &session.label);
        let current = if self.has(Call::Reading) { current } else { &bottom };
        let question = Question {
            subject: &self.id,
            object: Asked::Several(facts.objects),
            mode: facts.mode,
            standing: Standing::Own { watermark: current, own: &own.label, declared: facts.declared },
            task,
            target: Some(facts.target),
            content: facts.content,
            now: watermark.clock(facts.now),
        };
        let closed = under.is_some_and(|under| !self.is_open(under, facts.now));
        let verdict = match closed {
            true => Verdict::Denial(refuse(policy, &question, Reason::HandleRefused)),
            false => decide(policy, &question),
        };
        (verdict, version)
    }

    /// The same for a request of a peer.
    pub(crate) fn decide_for(
        &self,
        policy: &Policy,
        facts: &Facts<'_>,
        peer: &SpiffeId,
        stated: Option<(&SecurityLabel, Option<RuleKind>)>,
    ) -> (Verdict, u64) {
        let version = self.watermark().version();
        let standing = stated.map_or(Standing::Unstated, |(label, rule)| Standing::Stated { label, rule });
        let question = Question {
            subject: peer,
            object: Asked::Several(facts.objects),
            mode: facts.mode,
            standing,
            task: None,
            target: Some(facts.target),
            content: facts.content,
            now: self.watermark().clock(facts.now),
        };
        (decide(policy, &question), version)
    }

    /// `open_delivered`: the session that a request is delivered in. One with a task starts at the floor.
    pub(crate) fn open_delivered(
        &mut self,
        policy: &Policy,
        label: &SecurityLabel,
        task: Option<&Task>,
        now: Timestamp,
    ) -> Option<Under> {
        let subject = policy.subject(&self.id)?;
        let start = if task.is_some() { subject.floor.clone() } else { label.clone() };
        self.open_handle(policy, start, task, now)
    }

    /// The workload opens a session of its own accord.
    pub(crate) fn open_own(&mut self, policy: &Policy, now: Timestamp) -> Option<Under> {
        let start = match self.has(Call::OpenAtOwn) {
            true => self.watermark().reading().label.clone(),
            false => policy.lattice().bottom(),
        };
        let memory = self.memory.clone();
        let opened = self.open_handle(policy, start, None, now)?;
        self.session(&opened.id)?.memory = memory;
        Some(opened)
    }

    fn open_handle(
        &mut self,
        policy: &Policy,
        start: SecurityLabel,
        task: Option<&Task>,
        now: Timestamp,
    ) -> Option<Under> {
        let rule = policy.subject(&self.id)?.handles.as_ref()?;
        let now = self.watermark().clock(now);
        let left = task.map_or(u64::MAX, |task| task.expires().0.saturating_sub(now.0));
        let opening = Opening {
            start,
            because: Some(observation("opened", now)),
            listener: HandleListener::Egress,
            task: task.map(Task::to_text),
            life: rule.life.min(Duration::from_millis(left)),
            limit: rule.limit,
        };
        let opened = self.watermark().open_handle(opening, now).ok()?;
        self.sessions.push(Session { id: opened.id.clone(), memory: Data::new(), ended: false });
        Some(Under { id: opened.id, handle: opened.handle })
    }

    pub(crate) fn session(&mut self, id: &HandleId) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == *id)
    }

    /// Bytes of `label` will be on their way to the workload: said before they are counted.
    pub(crate) fn passing(&self, under: Option<&Under>, label: &SecurityLabel, now: Timestamp) -> Option<Passing> {
        let under = self.open(under, now);
        self.has(Call::Passing).then(|| self.watermark().passing(under.map(|under| &*under.handle), label))
    }

    /// `answer::raise`: under the handle while it is open, else the instance and all handles.
    pub(crate) fn raise(&mut self, under: Option<&Under>, label: &SecurityLabel, now: Timestamp) {
        let because = || observation("observed", now);
        match self.open(under, now) {
            Some(under) => {
                self.watermark().raise_under(&under.handle, label, because).unwrap();
            }
            None if self.has(Call::RaiseAll) => {
                self.watermark().raise(label, because).unwrap();
            }
            None => {
                // A handle that nobody uses takes it instead of all that are in use.
                let opening = Opening {
                    start: label.clone(),
                    because: None,
                    listener: HandleListener::Envoy,
                    task: None,
                    life: Duration::from_secs(60),
                    limit: usize::MAX,
                };
                let aside = self.watermark().open_handle(opening, self.watermark().clock(now)).unwrap();
                self.watermark().raise_under(&aside.handle, label, because).unwrap();
                self.watermark().close_handle(&aside.handle);
            }
        }
        if under.is_none() {
            self.shadow = self.shadow.join(label);
        }
    }

    /// The label that an answer of our own workload carries: of its session while that is open.
    pub(crate) fn serving_label(&self, under: Option<&Under>, now: Timestamp) -> SecurityLabel {
        match self.open(under, now) {
            Some(under) => self.watermark().reading_of(&under.handle).label.clone(),
            None => self.watermark().reading().label.clone(),
        }
    }

    /// What the workload puts into what it writes.
    pub(crate) fn writes(&self, under: Option<&Under>) -> Data {
        let session = under.and_then(|under| self.sessions.iter().find(|session| session.id == under.id));
        session.map_or_else(|| self.memory.clone(), |session| session.memory.clone())
    }

    /// What the workload reads, it has: a keeper in the session that it came in, or, without one, in whichever are open.
    pub(crate) fn reads(&mut self, under: Option<&Under>, data: &Data) {
        self.memory.extend(data);
        for session in &mut self.sessions {
            if under.map_or(!session.ended, |under| under.id == session.id) {
                session.memory.extend(data);
            }
        }
    }

    /// The gateway dies and starts again on what is on its disk.
    pub(crate) fn crash(&mut self, policy: &Policy, now: Timestamp, journal_lost: bool) {
        drop(self.watermark.take());
        if journal_lost {
            self.lose_journal();
        }
        if !self.has(Call::Reopen) {
            self.folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        }
        let subject = policy.subject(&self.id).unwrap();
        let opened = Watermark::open(self.folder.path(), subject, policy.lattice(), Missing::Floor, now);
        self.watermark = Some(opened.unwrap().0);
        self.floor_raises(policy);
    }

    /// A floor is what a workload has beside what it reads: its sessions have it, too.
    fn floor_raises(&self, policy: &Policy) {
        let floor = &policy.subject(&self.id).unwrap().floor;
        self.watermark().raise(floor, || observation("floor", Timestamp(0))).unwrap();
    }

    /// What is kept is lost, but for the highest clearance that there ever was.
    fn lose_journal(&mut self) {
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("journal-") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// An operator clears the instance.
    pub(crate) fn reset(&mut self, policy: &Policy, now: Timestamp) {
        let subject = policy.subject(&self.id).unwrap();
        self.watermark().reset("a new task", 0, now, subject).unwrap();
        self.shadow = subject.floor.clone();
        self.sessions.clear();
    }

    /// A new policy comes; the watermark first.
    pub(crate) fn rebase(&mut self, old: &Policy, new: &Policy) {
        let subject = new.subject(&self.id).unwrap();
        if self.has(Call::Rebase) {
            self.watermark().rebase(subject, new.lattice()).unwrap();
            self.floor_raises(new);
        }
        self.shadow = self.shadow.join(&old.subject(&self.id).unwrap().floor);
    }
}

fn observation(object: &str, at: Timestamp) -> Observation {
    Observation { request_id: "r".to_owned(), object: object.to_owned(), at, label: "LOW".to_owned() }
}

/// What a permit states on the wire: its label, and the kind of rule that it goes under.
pub(crate) fn statement(permit: &Permit) -> (SecurityLabel, Option<RuleKind>) {
    (permit.states().clone(), permit.downgrade().map(|downgrade| downgrade.kind))
}
