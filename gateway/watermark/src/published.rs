//! What readers see, replaced whole: nothing is in it that is not durable.

use std::sync::Arc;

use bellgate_policy::{Observation, SecurityLabel};

use crate::handle::Handle;
use crate::reading::{Link, LinkKind, Reading};
use crate::steps::Steps;
use crate::sync::Ordering;

/// The instance, and what handles have in common.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) instance: Arc<Reading>,
    /// What raised the instance since it started or was reset; as long as a label can rise.
    pub(crate) chain: Arc<Vec<Link>>,
    pub(crate) steps: Steps,
    /// Dominated by the label of every open handle; `None` while none is open. What this dominates raises none of them.
    pub(crate) low: Option<SecurityLabel>,
}

impl Published {
    /// An instance without handles.
    pub(crate) fn starting(link: Link) -> Self {
        let instance = Reading { label: link.label_after.clone(), cause: link.observation.clone(), version: 0 };
        Self { instance: Arc::new(instance), chain: Arc::new(vec![link]), steps: Steps::default(), low: None }
    }

    /// The label of a handle, and a number that moves with it.
    pub(crate) fn of(&self, handle: &Handle) -> (SecurityLabel, u64) {
        // The count before the label: a rise in between is seen as one by whoever compares counts later.
        let moves = u64::from(handle.moves.load(Ordering::Acquire));
        let mark = handle.mark.load();
        let label = match self.steps.of(handle.number) {
            Some(step) => mark.join(step),
            None => SecurityLabel::clone(&mark),
        };
        (label, moves.saturating_add(self.steps.version))
    }

    /// Whether an observation with this label raises nothing: not the instance, and not the handle it came under or, where
    /// it came without one, any handle.
    pub(crate) fn covers(&self, handle: Option<&Handle>, label: &SecurityLabel) -> bool {
        self.instance.label.dominates(label)
            && match handle {
                None => self.low.as_ref().is_none_or(|low| low.dominates(label)),
                Some(handle) => {
                    handle.mark.load().dominates(label)
                        || self.steps.of(handle.number).is_some_and(|step| step.dominates(label))
                        || self.of(handle).0.dominates(label)
                }
            }
    }

    /// Raises the instance.
    pub(crate) fn raise(&mut self, kind: LinkKind, label: &SecurityLabel, because: Option<&Arc<Observation>>) {
        if self.instance.label.dominates(label) {
            return;
        }
        let label_after = self.instance.label.join(label);
        self.instance = Arc::new(Reading {
            label: label_after.clone(),
            cause: because.cloned().or_else(|| self.instance.cause.clone()),
            version: self.instance.version.saturating_add(1),
        });
        Arc::make_mut(&mut self.chain).push(Link { kind, observation: because.cloned(), label_after });
    }

    /// Raises all handles that are open, whose numbers are below `upto`.
    pub(crate) fn raise_handles(&mut self, upto: u64, label: &SecurityLabel) {
        if let Some(low) = self.low.as_ref().filter(|low| !low.dominates(label)) {
            self.low = Some(low.join(label));
            self.steps.raise(upto, label);
        }
    }

    /// A handle with this label is open from now on. Answers whether that changes what raises have to look for.
    pub(crate) fn lower(&mut self, label: &SecurityLabel) -> bool {
        let low = self.low.as_ref().map_or_else(|| label.clone(), |low| low.meet(label));
        let moved = self.low.as_ref() != Some(&low);
        self.low = Some(low);
        moved
    }
}
