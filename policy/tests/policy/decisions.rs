//! The decision table: subject, object, mode, standing -> rule or reasons.

use bellgate_policy::{
    Asked, Content, Mode, Policy, Question, Reason, SecurityLabel, Standing, Timestamp, Verdict, decide, refuse,
};

use crate::world::{id, label, rows, world};

/// Standing: `own L` is a watermark, `own L +D` one with a declaration, `stated L` what another gateway says.
const TABLE: &str = "
# subject  object            mode     standing                               verdict

# The story: search, read the record, search again.
planner    search/ask        alter    own PUBLIC                             permit grants[0]
planner    records/patients  observe  own PUBLIC                             permit grants[1]
planner    search/ask        alter    own RESTRICTED:clinical                no-write-down
planner    search            observe  own RESTRICTED:clinical                no-write-down

# Discretionary: no grant, whether or not the object exists.
reader     records           observe  own PUBLIC                             not-granted, no-read-up
reader     nowhere           observe  own PUBLIC                             not-granted
planner    records           append   own PUBLIC                             not-granted
planner    search            execute  own PUBLIC                             not-granted
planner    deidentify        alter    own PUBLIC                             not-granted
plain      search            alter    unstated                               not-granted, no-write-down
stranger   search            observe  unstated                               unknown-subject
stranger   nowhere           observe  unstated                               unknown-subject

# No read up.
planner    vault             observe  own PUBLIC                             no-read-up
planner    records/genomes   observe  own PUBLIC                             no-read-up
planner    records/genomes   observe  own RESTRICTED:untrusted               no-read-up, no-write-down
raised     records/patients  observe  stated STANDARD                        no-read-up
raised     records           observe  stated STANDARD                        permit grants[10]

# No write down; incomparable is not below.
planner    records           alter    own RESTRICTED:clinical                no-write-down
planner    records           alter    own CONFIDENTIAL:clinical              permit grants[1]
planner    records           alter    own CONFIDENTIAL:clinical,untrusted    no-write-down
planner    search/ask        alter    own PUBLIC:untrusted                   no-write-down
planner    web               observe  own PUBLIC                             permit grants[3]
planner    web               observe  own PUBLIC:untrusted                   permit grants[3]
planner    web               observe  own STANDARD                           no-write-down

# Append: star alone.
planner    vault/deposit     append   own PUBLIC                             permit deposits
planner    vault/deposit     append   own RESTRICTED:clinical                permit deposits
planner    vault/deposit     append   own RESTRICTED:clinical,untrusted      no-write-down
planner    search/notes      append   own STANDARD                           permit grants[0]
planner    search/notes      append   own CONFIDENTIAL                       no-write-down

# Static: the current label is the clearance.
reader     search/exact      observe  own PUBLIC                             permit grants[7]
reader     search            observe  own PUBLIC                             no-write-down
reader     search/notes      append   own PUBLIC                             permit grants[7]

# What is declared can raise and never lower, and must lie below the clearance.
planner    search/ask        alter    own PUBLIC +CONFIDENTIAL               no-write-down
planner    records           alter    own PUBLIC +CONFIDENTIAL:clinical      permit grants[1]
planner    search/ask        alter    own RESTRICTED:clinical +PUBLIC        no-write-down
planner    vault/deposit     append   own PUBLIC +RESTRICTED:keys            label-out-of-range
planner    search/ask        alter    own PUBLIC +RESTRICTED:keys            label-out-of-range, no-write-down

# Stated: between floor and clearance.
planner    search/ask        alter    stated PUBLIC                          permit grants[0]
planner    search/ask        alter    stated RESTRICTED:clinical             no-write-down
planner    search/ask        alter    stated RESTRICTED:keys                 label-out-of-range, no-write-down
raised     search/notes      append   stated PUBLIC                          label-out-of-range
raised     search/notes      append   stated STANDARD                        permit grants[9]
raised     search/notes      append   stated CONFIDENTIAL:clinical           no-write-down
raised     records           observe  stated RESTRICTED:clinical             label-out-of-range, no-write-down

# A lowered clearance leaves append upwards, to who has the grant, and to nobody else.
planner    vault/deposit     append   stated RESTRICTED:clinical,keys        permit deposits
planner    records           append   stated RESTRICTED:clinical,keys        label-out-of-range, not-granted, no-write-down
planner    nowhere           append   stated RESTRICTED:clinical,keys        label-out-of-range, not-granted
planner    vault/deposit     append   own RESTRICTED:clinical,keys           permit deposits

# Unstated: the clearance. Unreadable: out of range. No gateway speaks for `plain`: its clearance, whatever is stated.
planner    search/ask        alter    unstated                               no-write-down
planner    vault/deposit     append   unstated                               no-write-down
planner    search/ask        alter    unreadable                             label-out-of-range
planner    vault             observe  unreadable                             label-out-of-range, no-read-up
plain      search/ask        alter    stated PUBLIC                          no-write-down
plain      search/ask        alter    own PUBLIC                             permit grants[8]
plain      search/ask        alter    own PUBLIC:untrusted                   no-write-down

# No label: refused, but only who has a grant hears that.
planner    dark              observe  own PUBLIC                             unlabelled
planner    dark/lit          observe  own PUBLIC                             permit grants[4]
reader     dark              observe  own PUBLIC                             not-granted, unlabelled

# Execute: as alter, on a capability.
planner    deidentify        execute  own RESTRICTED:clinical                permit grants[5]
planner    deidentify        execute  own PUBLIC                             permit grants[5]
planner    deidentify        execute  own PUBLIC:untrusted                   no-write-down
reader     deidentify        execute  own PUBLIC                             not-granted, no-read-up
";

enum Given {
    Own(SecurityLabel, Option<SecurityLabel>),
    Stated(SecurityLabel),
    Unstated,
    Unreadable,
}

fn given(policy: &Policy, text: &str) -> Given {
    let mut words = text.split(' ');
    let (kind, first) = (words.next().unwrap(), words.next());
    let declared = words.next().and_then(|word| word.strip_prefix('+')).map(|text| label(policy, text));
    match (kind, first) {
        ("own", Some(first)) => Given::Own(label(policy, first), declared),
        ("stated", Some(first)) => Given::Stated(label(policy, first)),
        ("unstated", None) => Given::Unstated,
        ("unreadable", None) => Given::Unreadable,
        _ => panic!("no standing: {text}"),
    }
}

fn standing(given: &Given) -> Standing<'_> {
    match given {
        Given::Own(watermark, declared) => Standing::Own { watermark, own: watermark, declared: declared.as_ref() },
        Given::Stated(stated) => Standing::Stated { label: stated, rule: None },
        Given::Unstated => Standing::Unstated,
        Given::Unreadable => Standing::Unreadable,
    }
}

fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Permit(permit) => {
            format!("permit {}", permit.decision().rule.as_deref().unwrap())
        }
        Verdict::Denial(denial) => {
            assert_eq!(Some(&denial.first()), denial.reasons().first());
            let codes: Vec<&str> = denial.reasons().iter().map(|one| one.code()).collect();
            codes.join(", ")
        }
    }
}

#[test]
fn the_table_holds() {
    let policy = world();
    let mut wrong = Vec::new();
    for [subject, name, mode, text, expected] in rows(TABLE) {
        let given = given(&policy, text);
        let question = Question {
            subject: &id(subject),
            object: policy.object(name).map_or(Asked::Unknown(name), Asked::Known),
            mode: mode.parse().unwrap(),
            standing: standing(&given),
            task: None,
            target: None,
            content: Content::Nothing,
            now: Timestamp(0),
        };
        let found = told(&decide(&policy, &question));
        if found != expected {
            wrong.push(format!("{subject} {name} {mode} {text}: {expected}, found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_permit_carries_who_what_and_the_label_of_the_request() {
    let policy = world();
    let watermark = label(&policy, "CONFIDENTIAL");
    let declared = label(&policy, "PUBLIC:clinical");
    let verdict = decide(
        &policy,
        &Question {
            subject: &id("planner"),
            object: Asked::Known(policy.object("records").unwrap()),
            mode: Mode::Alter,
            standing: Standing::Own { watermark: &watermark, own: &watermark, declared: Some(&declared) },
            task: None,
            target: None,
            content: Content::Nothing,
            now: Timestamp(0),
        },
    );
    let permit = verdict.permit().unwrap();
    assert_eq!(permit.subject().name.as_str(), "planner");
    assert_eq!(&*permit.object().name, "records");
    assert_eq!(permit.mode(), Mode::Alter);
    assert_eq!(*permit.current(), label(&policy, "CONFIDENTIAL:clinical"));
    assert_eq!(permit.decision().policy.as_ref(), policy.digest());
    assert_eq!(permit.decision().cause, None);
}

#[test]
fn a_refusal_from_outside_takes_its_place_in_the_order() {
    let policy = world();
    let watermark = label(&policy, "RESTRICTED:clinical");
    let mut question = Question {
        subject: &id("planner"),
        object: Asked::Known(policy.object("search/ask").unwrap()),
        mode: Mode::Alter,
        standing: Standing::Own { watermark: &watermark, own: &watermark, declared: None },
        task: None,
        target: None,
        content: Content::Nothing,
        now: Timestamp(0),
    };
    let denial = refuse(&policy, &question, Reason::GuardFailed);
    assert_eq!(denial.reasons(), [Reason::NoWriteDown, Reason::GuardFailed]);
    let denial = refuse(&policy, &question, Reason::HandleRefused);
    assert_eq!(denial.reasons(), [Reason::HandleRefused, Reason::NoWriteDown]);
    question.object = Asked::Unknown("nowhere");
    let denial = refuse(&policy, &question, Reason::UnsupportedHere);
    assert_eq!(denial.first(), Reason::NotGranted);
    assert_eq!(denial.reasons(), [Reason::NotGranted, Reason::UnsupportedHere]);
}
