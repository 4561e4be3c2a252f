//! A small writer of SVG: shapes in, text out. Whatever comes as text is escaped; numbers are whole, so that the same picture is the same
//! bytes everywhere.

use std::fmt::{self, Write as _};

/// A picture that is being written.
pub(super) struct Svg {
    body: String,
}

/// Where a text stands on its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

impl Svg {
    pub(super) fn new() -> Self {
        Self { body: String::new() }
    }

    /// A straight line.
    pub(super) fn line(&mut self, class: &str, (x1, y1): (i32, i32), (x2, y2): (i32, i32)) {
        self.put(format_args!(r#"<line class="{}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#, Escaped(class)));
    }

    /// A rectangle with round corners.
    pub(super) fn rect(&mut self, class: &str, (x, y): (i32, i32), (width, height): (i32, i32), round: i32) {
        self.put(format_args!(
            r#"<rect class="{}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{round}"/>"#,
            Escaped(class)
        ));
    }

    /// A path, in the language of `d`.
    pub(super) fn path(&mut self, class: &str, d: &str) {
        self.put(format_args!(r#"<path class="{}" d="{}"/>"#, Escaped(class), Escaped(d)));
    }

    /// A line of text.
    pub(super) fn text(&mut self, class: &str, (x, y): (i32, i32), anchor: Anchor, text: &str) {
        let anchor = anchor.as_str();
        self.put(format_args!(
            r#"<text class="{}" x="{x}" y="{y}" text-anchor="{anchor}">{}</text>"#,
            Escaped(class),
            Escaped(text)
        ));
    }

    /// A line of two texts, each in its class.
    pub(super) fn texts(
        &mut self,
        class: &str,
        (x, y): (i32, i32),
        anchor: Anchor,
        [first, second]: [(&str, &str); 2],
    ) {
        let anchor = anchor.as_str();
        self.put(format_args!(
            r#"<text class="{}" x="{x}" y="{y}" text-anchor="{anchor}"><tspan class="{}">{}</tspan><tspan class="{}" dx="10">{}</tspan></text>"#,
            Escaped(class),
            Escaped(first.0),
            Escaped(first.1),
            Escaped(second.0),
            Escaped(second.1)
        ));
    }

    /// The whole document. `title` is what a screen reader says of it.
    pub(super) fn document(self, (width, height): (i32, i32), title: &str, style: &str) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\">\n\
             <title>{}</title>\n<style>\n{style}</style>\n{}</svg>\n",
            Escaped(title),
            self.body
        )
    }

    fn put(&mut self, element: fmt::Arguments<'_>) {
        // Writing to a string can't fail.
        let _ = writeln!(self.body, "{element}");
    }
}

/// Text in which nothing is markup; characters that XML does not have are replaced.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => f.write_char('\u{fffd}'),
            other => f.write_char(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_text_becomes_markup() {
        let mut svg = Svg::new();
        svg.text("a\"b", (1, 2), Anchor::End, "</text><script>'&\u{0}\u{1b}");
        let whole = svg.document((10, 20), "<t>", "");
        assert!(whole.contains(
            r#"<text class="a&quot;b" x="1" y="2" text-anchor="end">&lt;/text&gt;&lt;script&gt;&#39;&amp;��</text>"#
        ));
        assert!(whole.contains("<title>&lt;t&gt;</title>") && !whole.contains("script>'"), "{whole}");
    }
}
