//! Processes that are killed, and disks that are full: with children that are this test itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bellgate_policy::{Observation, Policy, Timestamp};
use bellgate_watermark::{HandleId, HandleListener, Missing, Opening, Startup, Watermark};
use rand::Rng as _;

const FOLDER: &str = "BELLGATE_TEST_STATE";
const CATEGORIES: usize = 200;

fn policy() -> Policy {
    let categories: Vec<_> = (0..CATEGORIES).map(|number| format!("c{number}")).collect();
    let text = format!(
        "version: 1\ncategories: [{0}]\nsubjects:\n  agent: {{ id: spiffe://a.test/agent, floor: PUBLIC, clearance: \"RESTRICTED:{0}\" }}\n",
        categories.join(",")
    );
    Policy::parse("policy.yaml", &text).unwrap()
}

fn open(policy: &Policy, folder: &Path) -> (Watermark, Startup) {
    let subject = policy.subject_named("agent").unwrap();
    Watermark::open(folder, subject, policy.lattice(), Missing::Floor, Timestamp(1)).unwrap()
}

fn because() -> Observation {
    Observation { request_id: "r".into(), object: "o".into(), at: Timestamp(1), label: "x".into() }
}

/// Not a test: what the children do. Each line that it writes tells what was acknowledged.
#[test]
#[ignore = "is run by the tests below, in a process of its own"]
fn child() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let policy = policy();
    let subject = policy.subject_named("agent").unwrap();
    let (watermark, _) = open(&policy, Path::new(&folder));
    let mut out = std::io::stdout();
    let mut tell = |line: String| {
        let _ = writeln!(out, "told {line}").and_then(|()| out.flush());
    };
    let category = |number: usize| policy.lattice().parse_label(&format!("PUBLIC:c{number}")).unwrap();
    loop {
        let opening = Opening {
            start: policy.lattice().bottom(),
            because: None,
            listener: HandleListener::Egress,
            task: None,
            life: Duration::from_secs(3600),
            limit: 100_000,
        };
        let Ok(opened) = watermark.open_handle(opening, Timestamp(1)) else {
            tell("failed".into());
            continue;
        };
        for number in 0..CATEGORIES {
            if watermark.reading().label.dominates(&category(number)) {
                continue;
            }
            let raised = match number % 2 {
                0 => watermark.raise(&category(number), because),
                _ => watermark.raise_under(&opened.handle, &category(number), because),
            };
            match raised {
                Ok(_) => tell(format!("{number} {}", opened.id.reveal())),
                Err(_) => tell("failed".into()),
            }
            if watermark.spend("rule", 1, u64::MAX).is_ok() {
                tell("spent".into());
            }
        }
        tell("resetting".into());
        if watermark.reset("all seen", 0, Timestamp(1), subject).is_ok() {
            tell("reset".into());
        }
    }
}

/// What children have acknowledged so far.
#[derive(Default)]
struct Told {
    seen: Vec<usize>,
    handle: Option<(HandleId, Vec<usize>)>,
    spent: u64,
    resetting: bool,
    failed: usize,
}

impl Told {
    fn hear(&mut self, line: &str) {
        match line {
            "spent" => self.spent += 1,
            "failed" => self.failed += 1,
            "resetting" => self.resetting = true,
            "reset" => *self = Self { failed: self.failed, ..Self::default() },
            raised => {
                let (number, id) = raised.split_once(' ').unwrap();
                let number = number.parse().unwrap();
                let id = HandleId::parse(id).unwrap();
                self.seen.push(number);
                match &mut self.handle {
                    Some((known, seen)) if *known == id => seen.push(number),
                    other => *other = Some((id, vec![number])),
                }
            }
        }
    }

    /// Opens the folder as the next process would, and compares.
    fn check(&mut self, policy: &Policy, folder: &Path) {
        let (watermark, startup) = open(policy, folder);
        assert!(matches!(startup, Startup::Restored | Startup::NewAtFloor), "{startup:?}");
        let category = |number: &usize| policy.lattice().parse_label(&format!("PUBLIC:c{number}")).unwrap();
        let label = watermark.reading().label.clone();
        if std::mem::take(&mut self.resetting) && !self.seen.iter().all(|number| label.dominates(&category(number))) {
            // It happened, and nobody heard.
            *self = Self { failed: self.failed, ..Self::default() };
        }
        for number in &self.seen {
            assert!(label.dominates(&category(number)), "c{number} was acknowledged, and is lost");
        }
        assert!(watermark.spent().get("rule").copied().unwrap_or(0) >= self.spent, "a debit was lost");
        if let Some((id, seen)) = &self.handle {
            let handle = watermark.handle(id, Timestamp(1)).unwrap();
            let label = watermark.reading_of(&handle).label;
            assert!(seen.iter().all(|number| label.dominates(&category(number))), "a handle is lower than it was");
        }
    }
}

fn spawn(command: &mut Command, folder: &Path) -> std::process::Child {
    command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

const ARGUMENTS: [&str; 4] = ["--exact", "kill::child", "--ignored", "--nocapture"];

#[test]
fn a_process_that_is_killed_at_any_instant_loses_nothing_that_it_acknowledged() {
    let policy = policy();
    let folder = tempfile::tempdir().unwrap();
    let mut told = Told::default();
    let mut lines_in_all = 0;
    for _ in 0..300 {
        let mut child = spawn(Command::new(std::env::current_exe().unwrap()).args(ARGUMENTS), folder.path());
        let output = BufReader::new(child.stdout.take().unwrap());
        let lives = rand::rng().random_range(0..60);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(lives));
            child.kill().unwrap();
            child.wait().unwrap();
        });
        for line in output.lines().map_while(Result::ok) {
            if let Some((_, line)) = line.split_once("told ") {
                // The last one may be torn, and then it was not told.
                let whole = matches!(line, "spent" | "failed" | "resetting" | "reset")
                    || line.split_once(' ').is_some_and(|(_, id)| HandleId::parse(id).is_some());
                if whole {
                    lines_in_all += 1;
                    told.hear(line);
                }
            }
        }
        killer.join().unwrap();
        told.check(&policy, folder.path());
    }
    assert!(lines_in_all > 300, "the children did too little: {lines_in_all}");
    assert_eq!(told.failed, 0);
}

#[test]
fn on_a_disk_that_is_full_nothing_is_acknowledged_that_is_not_kept() {
    let policy = policy();
    for blocks in [8, 16, 24] {
        let folder = tempfile::tempdir().unwrap();
        // So many KiB a file; the signal that says so is ignored, and the write fails.
        let shell = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = Command::new("bash");
        command.arg("-c").arg(shell).arg(std::env::current_exe().unwrap()).args(ARGUMENTS);
        let mut child = spawn(&mut command, folder.path());
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut told = Told::default();
        for line in output.lines().map_while(Result::ok) {
            if let Some((_, line)) = line.split_once("told ") {
                told.hear(line);
                if told.failed > 20 {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(told.failed > 20 && told.seen.len() > 5, "{blocks}: {} {}", told.failed, told.seen.len());
        told.check(&policy, folder.path());
    }
}
