//! A supposed request: the label that its subject has after what it read, and the gateway's own decision.

use bellgate_policy::offline::{self, Inquiry};
use bellgate_policy::{Decision, Denial, Downgrade, Lattice, Object, Policy, Reason, SecurityLabel, Subject, Verdict};
use bellgate_spire::wall_clock;

use super::{Args, Cause, Explanation, Lowered, Step, Trouble, Way, Why, gap};

/// Answers the question that the flags ask.
pub(super) fn explain(policy: &Policy, args: &Args) -> Result<Explanation, Trouble> {
    let given = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut inquiry = Inquiry {
        subject: given(&args.subject),
        object: given(&args.object),
        mode: given(&args.mode),
        current: args.current.clone(),
        target: args.target.clone(),
        body: args.body.clone(),
        rule: None,
        orchestrator: args.orchestrator.clone(),
        task: args.task.clone(),
        at: args.at.clone(),
    };
    let ask = |inquiry: &Inquiry| {
        offline::verdict(policy, inquiry, wall_clock()).map_err(|error| Trouble::Question(error.to_string()))
    };
    // Asked once as it stands: what can't be understood is told as `decide` tells it.
    let fresh = ask(&inquiry)?;
    let subject = policy.subjects().find(|subject| subject.id.as_str() == &*fresh.decision().subject);
    let start = fresh.decision().current.clone().unwrap_or_else(|| policy.lattice().bottom());
    let (label, mut chain) = read_before(policy, subject.map(|subject| &**subject), start, &args.after)?;
    if subject.is_some() {
        inquiry.current = Some(policy.lattice().text(&label));
    }
    let verdict = ask(&inquiry)?;
    let refused_down = verdict.reasons().contains(&Reason::NoWriteDown);
    let wanted = verdict.decision().object_label.clone();
    let cause = refused_down.then(|| mark(policy, wanted.as_ref(), &mut chain)).flatten();
    let mut told = of_verdict(policy, &verdict, subject.map(|subject| &**subject));
    told.cause = cause;
    told.chain = chain.into_iter().map(|(step, _)| step).collect();
    Ok(told)
}

/// The label after each object that was read, by the join of their labels.
fn read_before(
    policy: &Policy,
    subject: Option<&Subject>,
    start: SecurityLabel,
    objects: &[String],
) -> Result<(SecurityLabel, Vec<(Step, SecurityLabel)>), Trouble> {
    let lattice = policy.lattice();
    let mut label = start;
    let mut chain = Vec::new();
    for name in objects {
        let read = policy.object(name).and_then(|object: &std::sync::Arc<Object>| object.label.clone());
        let read = read.ok_or_else(|| {
            Trouble::Question(format!("`{name}` (--after) is not an object with a label of the policy"))
        })?;
        if let Some(subject) = subject.filter(|subject| !subject.clearance.dominates(&read)) {
            let reason = gap(lattice, &subject.clearance, &read);
            return Err(Trouble::Question(format!("`{}` can't have read `{name}` (--after): {reason}", subject.name)));
        }
        let after = label.join(&read);
        if after != label {
            let step =
                Step { object: name.clone(), at: None, request_id: None, after: lattice.text(&after), is_cause: false };
            chain.push((step, after.clone()));
        }
        label = after;
    }
    Ok((label, chain))
}

/// The earliest step after which the object no longer dominated the label.
fn mark(policy: &Policy, object: Option<&SecurityLabel>, chain: &mut [(Step, SecurityLabel)]) -> Option<Cause> {
    let object = object?;
    let (step, _) = chain.iter_mut().find(|(_, after)| !object.dominates(after))?;
    step.is_cause = true;
    let label =
        policy.object(&step.object).and_then(|read| read.label.as_ref()).map(|label| policy.lattice().text(label));
    Some(Cause { object: step.object.clone(), label, at: None, request_id: None, mode: None, rule: None })
}

/// What a verdict says by itself.
fn of_verdict(policy: &Policy, verdict: &Verdict, subject: Option<&Subject>) -> Explanation {
    let decision = verdict.decision();
    let lattice = policy.lattice();
    let text = |label: &Option<SecurityLabel>| label.as_ref().map(|label| lattice.text(label));
    let (downgrade, remedies) = match verdict {
        Verdict::Permit(permit) => (permit.downgrade().map(|downgrade| lowered(lattice, downgrade)), Vec::new()),
        Verdict::Denial(denial) => (None, ways(policy, denial)),
    };
    Explanation {
        permit: verdict.reasons().is_empty(),
        reasons: verdict.reasons().iter().map(|reason| why(lattice, *reason, decision)).collect(),
        subject: subject.map_or_else(|| decision.subject.to_string(), |subject| subject.name.to_string()),
        subject_id: decision.subject.to_string(),
        object: decision.object.to_string(),
        mode: decision.mode.to_string(),
        asked: None,
        current: text(&decision.current),
        object_label: text(&decision.object_label),
        clearance: text(&decision.clearance),
        rule: decision.rule.as_deref().map(str::to_owned),
        policy: decision.policy.to_string(),
        downgrade,
        cause: None,
        chain: Vec::new(),
        remedies,
        notes: Vec::new(),
    }
}

fn lowered(lattice: &Lattice, downgrade: &Downgrade) -> Lowered {
    Lowered {
        kind: downgrade.kind.to_string(),
        rule: downgrade.rule.to_string(),
        label: lattice.text(&downgrade.label),
    }
}

/// What this policy offers instead.
pub(super) fn ways(policy: &Policy, denial: &Denial) -> Vec<Way> {
    let remedies = denial.remedies(policy).into_iter();
    remedies.map(|remedy| Way { action: remedy.action.to_owned(), text: remedy.text }).collect()
}

/// A reason with the labels that it is about.
fn why(lattice: &Lattice, reason: Reason, decision: &Decision) -> Why {
    let compared = match reason {
        Reason::NoReadUp => Some((&decision.clearance, &decision.object_label)),
        Reason::NoWriteDown => Some((&decision.object_label, &decision.current)),
        Reason::UnknownSubject
        | Reason::LabelOutOfRange
        | Reason::HandleRefused
        | Reason::NotGranted
        | Reason::Unlabelled
        | Reason::UnsupportedHere
        | Reason::ReadDownBudget
        | Reason::GuardFailed
        | Reason::Withheld => None,
    };
    let text = match compared {
        Some((Some(high), Some(low))) => gap(lattice, high, low),
        Some(_) | None => reason.explanation().to_owned(),
    };
    Why { reason: reason.code().to_owned(), text }
}
