//! Where everything stands. Time runs down; a lifeline has the colour of its workload's label, an arrow that of the label of what flows.

use std::fmt::Write as _;

use bellgate_policy::{Policy, Subject};

use super::story::{Exchange, Refused, Story, What};
use super::svg::{Anchor, Svg};

/// The width of a README.
const WIDTH: i32 = 1000;
/// Left of the first lifeline: room for labels and for arrows back to causes.
const LEFT: i32 = 196;
const RIGHT: i32 = 80;
/// The first row.
const TOP: i32 = 104;
const BOTTOM: i32 = 66;

/// Heights of rows.
const ANSWERED: i32 = 54;
const UNANSWERED: i32 = 32;
const RESET: i32 = 42;
/// From a request down to its answer.
const BACK: i32 = 18;

/// A lifeline of a label that moves, and of one that does not.
const WIDE: i32 = 8;
/// How far a request gets that the caller's own gateway refuses.
const STOPPED: i32 = 22;
/// Advance of a letter of 11 px, about.
const LETTER: i32 = 7;

/// Draws the story.
pub(super) fn draw(policy: &Policy, story: &Story) -> String {
    let mut page = Page { policy, story, svg: Svg::new(), rows: Vec::new() };
    let height = page.place_rows();
    page.svg.rect("paper", (0, 0), (WIDTH, height), 10);
    page.lifelines(height.saturating_sub(BOTTOM));
    for index in 0..story.rows.len() {
        page.row(index);
    }
    page.heads();
    page.legend(height);
    page.svg.document(
        (WIDTH, height),
        "Labels follow what was read: requests, answers and refusals of one run of the demo",
        &style(policy),
    )
}

struct Page<'a> {
    policy: &'a Policy,
    story: &'a Story,
    svg: Svg,
    /// The height at which each row's request stands.
    rows: Vec<i32>,
}

impl Page<'_> {
    /// Gives each row its height; returns that of the whole.
    fn place_rows(&mut self) -> i32 {
        let mut y = TOP;
        for row in &self.story.rows {
            self.rows.push(y);
            y += match &row.what {
                What::Exchange(exchange) if exchange.back.is_some() => ANSWERED,
                What::Exchange(_) => UNANSWERED,
                What::Reset { .. } => RESET,
            };
        }
        y + BOTTOM
    }

    fn x(&self, column: usize) -> i32 {
        let count = i32::try_from(self.story.columns.len()).unwrap_or(i32::MAX);
        let column = i32::try_from(column).unwrap_or_default();
        let gap = (WIDTH - LEFT - RIGHT).checked_div(count - 1).unwrap_or_default();
        LEFT + column * gap
    }

    fn y(&self, row: usize) -> i32 {
        self.rows.get(row).copied().unwrap_or(TOP)
    }

    fn subject(&self, column: usize) -> Option<&Subject> {
        self.policy.subject_named(self.story.columns.get(column)?).map(|subject| &**subject)
    }

    /// Names, and how far each may read.
    fn heads(&mut self) {
        for (column, name) in self.story.columns.iter().enumerate() {
            let x = self.x(column);
            self.svg.text("name", (x, 34), Anchor::Middle, name);
            let text = match self.subject(column) {
                Some(subject) => self.policy.lattice().text(&subject.clearance),
                None => String::from("WebAssembly"),
            };
            let (level, categories) = text.split_once(':').unwrap_or((&text, ""));
            self.svg.text("clearance", (x, 50), Anchor::Middle, &format!("up to {level}").replace("up to Web", "Web"));
            self.svg.text("clearance", (x, 63), Anchor::Middle, categories);
        }
    }

    fn lifelines(&mut self, bottom: i32) {
        for column in 0..self.story.columns.len() {
            let x = self.x(column);
            let Some(subject) = self.subject(column).filter(|subject| subject.floats()) else {
                self.svg.line("still", (x, TOP - 28), (x, bottom));
                continue;
            };
            let mut label = self.policy.lattice().text(&subject.floor);
            let mut from = TOP - 28;
            let floor = (label.clone(), from + 4);
            for (y, after) in self.changes(column) {
                self.svg.rect(&format!("life fill-{}", self.level(&label)), (x - WIDE / 2, from), (WIDE, y - from), 0);
                (label, from) = (after, y);
            }
            self.svg.rect(&format!("life fill-{}", self.level(&label)), (x - WIDE / 2, from), (WIDE, bottom - from), 0);
            self.pill(x, floor.1, &floor.0, column != 0);
        }
    }

    /// When the label of a workload moved, and to what.
    fn changes(&self, column: usize) -> Vec<(i32, String)> {
        let mut changes = Vec::new();
        for (index, row) in self.story.rows.iter().enumerate() {
            let y = self.y(index);
            match &row.what {
                What::Exchange(exchange) => {
                    if let Some(after) = exchange.raised_there.as_ref().filter(|_| exchange.to == column) {
                        changes.push((y, after.clone()));
                    }
                    if let Some(after) = exchange.raised.as_ref().filter(|_| exchange.from == column) {
                        changes.push((y + BACK, after.clone()));
                    }
                }
                What::Reset { who, after, .. } if *who == column => changes.push((y, after.clone())),
                What::Reset { .. } => {}
            }
        }
        changes
    }

    fn row(&mut self, index: usize) {
        let y = self.y(index);
        let story = self.story;
        match story.rows.get(index).map(|row| &row.what) {
            Some(What::Exchange(exchange)) => self.exchange(exchange, y),
            Some(What::Reset { who, after, text }) => {
                let x = self.x(*who);
                self.svg.line("reset", (x - 14, y), (x + 14, y));
                self.svg.text("note halo", (x + 20, y + 4), Anchor::Start, text);
                self.pill(x, y, after, false);
            }
            None => {}
        }
    }

    fn exchange(&mut self, exchange: &Exchange, y: i32) {
        let (from, to) = (self.x(exchange.from), self.x(exchange.to));
        let way = (to - from).signum();
        let edge = way * (WIDE / 2 + 1);
        let level = exchange.goes.as_ref().map_or(0, |label| self.level(label));
        let here = exchange.refused.as_ref().is_some_and(|refused| !refused.there);
        let tip = if here { from + way * STOPPED } else { to - edge };
        self.arrow(&format!("flow stroke-{level}"), &format!("fill-{level}"), (from + edge, y), (tip, y), !here);
        let text = self.said(exchange);
        let above = (from + edge + way * 6, y - 6);
        match &exchange.refused {
            // Its own gateway stopped it: the arrow is short, and all is said beside it.
            Some(refused) if here => {
                let why = because(refused);
                self.svg.texts("halo", (tip + way * 10, y + 4), side(way), [("what", &text), ("why", &why)]);
                self.refusal(refused, (tip, y), from);
            }
            Some(refused) => {
                self.svg.text("what halo", above, side(way), &text);
                self.svg.text("why halo", (tip + way * 10, y + 4), side(way), &because(refused));
                self.refusal(refused, (tip, y), from);
            }
            None => self.svg.text("what halo", above, side(way), &text),
        }
        if let Some(label) = &exchange.back {
            let level = self.level(label);
            let class = format!("flow back stroke-{level}");
            self.arrow(&class, &format!("fill-{level}"), (to - edge, y + BACK), (from + edge, y + BACK), true);
            self.svg.text("label halo", (to - edge - way * 6, y + BACK - 4), side(-way), label);
        }
        if let Some(label) = &exchange.raised_there {
            // Below the arrow that raised it, whose text goes on above.
            self.pill(to, y + 12, label, way > 0);
        }
        if let Some(label) = &exchange.raised {
            self.pill(from, y + BACK, label, way < 0);
        }
    }

    /// What stands above an arrow.
    fn said(&self, exchange: &Exchange) -> String {
        let mut text = format!("{} {}", exchange.method, exchange.object);
        if exchange.mode == "append" {
            text.push_str(", blind");
        }
        if let Some(handle) = &exchange.handle {
            let _ = write!(text, ", session {}", handle.get(..4).unwrap_or(handle));
        }
        if let (Some(rule), Some(label)) = (&exchange.by, &exchange.goes) {
            let _ = write!(text, ", by a {rule} rule as {label}");
        }
        text
    }

    /// The cross, and the way back to what was read.
    fn refusal(&mut self, refused: &Refused, (x, y): (i32, i32), from: i32) {
        self.svg.path("bad", &format!("M{} {}l8 8m0 -8l-8 8", x - 4, y - 4));
        if let Some((_, Some(row))) = &refused.because {
            // To where the label rose: at the answer of an own request, at the arrival of another's.
            let own = matches!(
                self.story.rows.get(*row).map(|row| &row.what),
                Some(What::Exchange(cause)) if cause.raised.is_some() || cause.back.is_some() && self.x(cause.from) == from
            );
            let then = self.y(*row) + if own { BACK } else { 0 };
            let (edge, out) = (from - WIDE / 2 - 1, from - 34);
            self.svg.path("cause", &format!("M{edge} {y}C{out} {y} {out} {then} {} {then}", edge - 6));
            self.head("bad-fill", (edge, then), 1);
        }
    }

    fn arrow(&mut self, class: &str, head: &str, start: (i32, i32), end: (i32, i32), with_head: bool) {
        let way = (end.0 - start.0).signum();
        self.svg.line(class, start, (end.0 - if with_head { way * 6 } else { 0 }, end.1));
        if with_head {
            self.head(head, end, way);
        }
    }

    fn head(&mut self, class: &str, (x, y): (i32, i32), way: i32) {
        self.svg.path(class, &format!("M{x} {y}l{} -4v8z", way * -8));
    }

    /// A label beside a lifeline, on a ground of its own.
    fn pill(&mut self, x: i32, y: i32, label: &str, to_the_right: bool) {
        let width = wide(label) + 12;
        let left = if to_the_right { x + 10 } else { x - 40 - width };
        let level = self.level(label);
        self.svg.rect(&format!("pill stroke-{level}"), (left, y - 9), (width, 18), 9);
        self.svg.text(&format!("pill-text fill-{level}"), (left + width / 2, y + 4), Anchor::Middle, label);
    }

    fn legend(&mut self, height: i32) {
        let mut x = LEFT;
        let y = height - 34;
        self.svg.text("note", (x - 40, y), Anchor::End, "level of what flows:");
        x -= 28;
        for (index, level) in self.policy.lattice().levels().iter().enumerate() {
            self.svg.line(&format!("flow stroke-{index}"), (x, y - 4), (x + 22, y - 4));
            self.svg.text("note", (x + 28, y), Anchor::Start, level.as_str());
            x += 44 + i32::try_from(level.as_str().len()).unwrap_or_default() * LETTER;
        }
        self.svg.text(
            "note",
            (LEFT - 28, height - 14),
            Anchor::Start,
            "solid: what is sent; dashed: what comes back; a wide line: a workload whose label follows what it reads",
        );
    }

    /// The number of a label's level.
    fn level(&self, label: &str) -> usize {
        let name = label.split(':').next().unwrap_or(label);
        self.policy.lattice().levels().iter().position(|level| level.as_str() == name).unwrap_or_default()
    }
}

/// What refused it, and what was read before.
fn because(refused: &Refused) -> String {
    match &refused.because {
        Some((object, _)) => match object.strip_prefix("delivery from ") {
            Some(caller) => format!("{}, because of what {} handed on", refused.reason, last(caller)),
            None => format!("{}, because of {object}", refused.reason),
        },
        None => refused.reason.clone(),
    }
}

/// The last part of a SPIFFE ID.
fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// The width of a text, about.
fn wide(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or_default() * LETTER
}

fn side(way: i32) -> Anchor {
    if way < 0 { Anchor::End } else { Anchor::Start }
}

/// Shapes, then colours for a light page, then those that differ on a dark one. No variables: many renderers do not know them.
fn style(policy: &Policy) -> String {
    let levels = policy.lattice().levels().len();
    let light = colours(levels, ["#fff", "#1f2328", "#6e7781", "#cf222e"], "70%,34%");
    let dark = colours(levels, ["#0d1117", "#e6edf3", "#8d96a0", "#ff7b72"], "60%,60%");
    format!(
        "text{{font:11px ui-sans-serif,system-ui,sans-serif}}.name{{font-weight:600;font-size:14px}}.label{{font-size:10px}}\n\
         .halo{{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}}.still{{stroke-width:1}}\n\
         .flow{{stroke-width:2;fill:none}}.back{{stroke-dasharray:5 3}}.why,.pill-text{{font-weight:600}}\n\
         .bad{{stroke-width:2.5;fill:none}}.cause{{stroke-width:1.2;stroke-dasharray:2 3;fill:none}}\n\
         .reset{{stroke-width:2}}.pill{{stroke-width:1.2}}\n{light}@media(prefers-color-scheme:dark){{\n{dark}}}\n"
    )
}

/// From green, the lowest level, by blue and violet to red, the highest.
fn colours(levels: usize, [paper, ink, faint, bad]: [&str; 4], tone: &str) -> String {
    let mut rules = format!(
        "text{{fill:{ink}}}.paper,.pill{{fill:{paper}}}.halo{{stroke:{paper}}}.clearance,.note{{fill:{faint}}}.still{{stroke:{faint}}}\n\
         .why,.bad-fill{{fill:{bad}}}.bad,.cause{{stroke:{bad}}}.reset{{stroke:{ink}}}\n"
    );
    let last = levels.saturating_sub(1).max(1);
    for index in 0..levels {
        let hue = 150_usize.saturating_add((205 * index).checked_div(last).unwrap_or_default());
        // Writing to a string can't fail.
        let _ = writeln!(rules, ".stroke-{index}{{stroke:hsl({hue},{tone})}}.fill-{index}{{fill:hsl({hue},{tone})}}");
    }
    rules
}
