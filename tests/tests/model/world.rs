//! Who is there: workloads, what each serves, and objects outside the mesh.

use crate::decisions::Decisions;
use crate::label::{LABELS, Label};

/// Workloads at most.
pub(crate) const SEATS: usize = 3;
/// Objects: what each workload serves, and one outside the mesh for each label.
pub(crate) const TARGETS: usize = SEATS + LABELS;

/// A workload as the policy has it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Seat {
    pub(crate) floor: Label,
    pub(crate) clearance: Label,
    /// The label of what it serves.
    pub(crate) object: Label,
    /// Without one, it is a peer that speaks the protocol by itself: it obeys nobody, states nothing, and has read all
    /// that it may.
    pub(crate) gateway: bool,
}

impl Seat {
    /// One bit of its labels.
    pub(crate) fn bit(self, bit: usize) -> Self {
        Self {
            floor: self.floor.bit(bit),
            clearance: self.clearance.bit(bit),
            object: self.object.bit(bit),
            gateway: self.gateway,
        }
    }
}

/// What a request goes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Target {
    Workload(usize),
    Outside(Label),
}

impl Target {
    pub(crate) fn all(seats: usize) -> impl Iterator<Item = Self> {
        (0..seats).map(Self::Workload).chain(Label::all().map(Self::Outside))
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Workload(index) => index,
            Self::Outside(label) => SEATS + label.index(),
        }
    }

    /// One bit of its label, where it is outside.
    pub(crate) fn bit(self, bit: usize) -> Self {
        match self {
            Self::Workload(_) => self,
            Self::Outside(label) => Self::Outside(label.bit(bit)),
        }
    }

    /// Its name in the policy.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Workload(index) => format!("o{index}"),
            Self::Outside(label) => format!("x{}", label.index()),
        }
    }
}

/// One policy and all that it decides.
pub(crate) struct World {
    pub(crate) seats: Vec<Seat>,
    pub(crate) decisions: Decisions,
    /// The worlds that a reload can lead to.
    pub(crate) next: Vec<u16>,
}

/// Which labels a search goes over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lattice {
    /// `LOW` and `HIGH:c`. Domination, join and meet go bit by bit, and a flow goes only if each bit lets it; so each bit
    /// of a run over four labels is a run over two, and a leak in four is one in two.
    Two,
    /// All four.
    Four,
}

impl Lattice {
    pub(crate) fn labels(self) -> Vec<Label> {
        match self {
            Self::Two => vec![Label::BOTTOM, Label::TOP],
            Self::Four => Label::all().to_vec(),
        }
    }

    /// Every floor, clearance and object label of one workload that a policy can have.
    fn seats(self) -> Vec<Seat> {
        let labels = self.labels();
        let mut seats = Vec::new();
        for &floor in &labels {
            for &clearance in &labels {
                for &object in &labels {
                    if clearance.dominates(floor) && clearance.dominates(object) {
                        seats.push(Seat { floor, clearance, object, gateway: true });
                    }
                }
            }
        }
        seats
    }
}

/// What a search goes over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) lattice: Lattice,
    pub(crate) seats: usize,
    /// Flows that are open at once.
    pub(crate) flows: usize,
    /// The first workload is one that keeps its sessions apart, so many of them at once; the others are malicious.
    pub(crate) sessions: usize,
    /// The last workload is a peer without a gateway.
    pub(crate) bare: bool,
    /// Policies that may follow one another.
    pub(crate) reloads: u8,
}

/// Every policy within `bound`, up to the order of workloads that play the same part.
pub(crate) fn worlds(bound: &Bound) -> Vec<World> {
    let kinds = bound.lattice.seats();
    let mut lists: Vec<Vec<Seat>> = vec![Vec::new()];
    for place in 0..bound.seats {
        let bare = bound.bare && place + 1 == bound.seats;
        // The keeper, and a peer without a gateway, play parts of their own; a reload can change any.
        let alike = place > usize::from(bound.sessions > 0) && !bare && bound.reloads == 0;
        lists = lists
            .into_iter()
            .flat_map(|list| {
                kinds.iter().filter_map(move |&kind| {
                    let ordered = !alike || list.last().is_none_or(|last| *last <= kind);
                    let mut list = list.clone();
                    list.push(Seat { gateway: !bare, ..kind });
                    ordered.then_some(list)
                })
            })
            .collect();
    }
    (0..lists.len())
        .map(|index| World {
            seats: lists[index].clone(),
            decisions: Decisions::of(&lists[index]),
            next: if bound.reloads == 0 { Vec::new() } else { neighbours(&lists, index) },
        })
        .collect()
}

/// The policies that differ in one workload.
fn neighbours(lists: &[Vec<Seat>], index: usize) -> Vec<u16> {
    let differences = |other: &Vec<Seat>| other.iter().zip(&lists[index]).filter(|(one, other)| one != other).count();
    (0..lists.len())
        .filter(|other| differences(&lists[*other]) == 1)
        .map(|other| u16::try_from(other).unwrap())
        .collect()
}
