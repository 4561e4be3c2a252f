//! What a value of a body must be for a case of `objects` to take it.
//!
//! **What holds.** A matcher takes a value only where every server must read it as what the author meant. What it does not
//! take falls to the lowest label, so a matcher errs by taking too little.
//!
//! **Domains.** `domain: example.org` takes an address `local@example.org` and nothing else: exactly one `@`; after it the
//! domain, ASCII case ignored; before it 1 to 64 of letters, digits and `._+-=~&`. So no spaces, commas, semicolons, angle
//! brackets, quotes, comments, control characters or letters outside ASCII, each of which lets a value be read as another
//! address or as several (RFC 5322, sections 3.2 and 3.4), and no `%` and `!`, by which mail servers once routed on.
//!
//! **What is absent on purpose.** Regular expressions and prefixes; subdomains, which are names of their own.

use std::collections::BTreeSet;

/// A test on one value.
#[derive(Clone, Debug)]
pub(crate) enum Matcher {
    /// This text, byte by byte.
    Equals(String),
    /// One of these texts, byte by byte.
    OneOf(BTreeSet<String>),
    /// A mail address of this domain, in lower case.
    Domain(String),
}

impl Matcher {
    /// Whether it takes a value.
    pub(crate) fn takes(&self, value: &str) -> bool {
        match self {
            Self::Equals(text) => text == value,
            Self::OneOf(texts) => texts.contains(value),
            Self::Domain(domain) => value
                .split_once('@')
                .is_some_and(|(local, after)| is_plain_local_part(local) && after.eq_ignore_ascii_case(domain)),
        }
    }
}

impl Matcher {
    /// Whether `other` takes all that this takes.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        match self {
            Self::Equals(text) => other.takes(text),
            Self::OneOf(texts) => texts.iter().all(|text| other.takes(text)),
            Self::Domain(domain) => matches!(other, Self::Domain(other) if other == domain),
        }
    }
}

fn is_plain_local_part(local: &str) -> bool {
    (1..=64).contains(&local.len())
        && local.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-=~&".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn domain() -> Matcher {
        Matcher::Domain(String::from("example.org"))
    }

    #[test]
    fn addresses_of_a_domain() {
        for taken in [
            "a@example.org",
            "A.b+tag_c-d=e~f&g@EXAMPLE.Org",
            ".a@example.org",
            "a..b@example.org",
            &format!("{}@example.org", "a".repeat(64)),
        ] {
            assert!(domain().takes(taken), "{taken}");
        }
    }

    #[test]
    fn what_could_be_read_as_another_address() {
        for refused in [
            "",
            "@",
            "example.org",
            "@example.org",
            "a@",
            "a@sub.example.org",
            "a@example.org.",
            "a@.example.org",
            "a@example.org.evil.test",
            "a@evilexample.org",
            "a@example.org@evil.test",
            "evil@evil.test@example.org",
            "a@@example.org",
            // Several addresses, display names, comments, routes, quotes.
            "evil@evil.test,a@example.org",
            "evil@evil.test, a@example.org",
            "evil@evil.test;a@example.org",
            "a@example.org,evil@evil.test",
            "Inner <a@example.org>",
            "<a@example.org>",
            "\"evil@evil.test\" <a@example.org>",
            "\"a b\"@example.org",
            "'a'@example.org",
            "a(evil@evil.test)@example.org",
            "a@example.org (comment)",
            "@evil.test:a@example.org",
            "a%evil.test@example.org",
            "evil.test!a@example.org",
            "mailto:a@example.org",
            "a\\@example.org",
            "[a]@example.org",
            // White space and control characters.
            " a@example.org",
            "a@example.org ",
            "a@example.org\n",
            "a@example.org\r\nBcc: evil@evil.test",
            "a\t@example.org",
            "a\u{0}@example.org",
            "a@example.org\u{0}",
            "a\u{a0}@example.org",
            "a\u{200b}@example.org",
            // Look-alikes.
            "a＠example.org",
            "a@ｅxample.org",
            "a@exаmple.org",
            "evil@evil.test，a@example.org",
            "ä@example.org",
            "a@example。org",
            "a@example\u{2024}org",
            "a@EXAMPLE.ORG\u{307}",
            "\u{202e}a@example.org",
            "a@xn--example-org",
        ] {
            assert!(!domain().takes(refused), "{refused:?}");
        }
        assert!(!domain().takes(&format!("{}@example.org", "a".repeat(65))));
        // The Kelvin sign is a `k` in lower case, but not in ASCII.
        assert!(!Matcher::Domain(String::from("k.test")).takes("a@\u{212a}.test"));
    }

    #[test]
    fn texts_are_compared_byte_by_byte() {
        let equals = Matcher::Equals(String::from("boss@partner.example"));
        let one_of = Matcher::OneOf([String::from("a"), String::from("ä")].into());
        assert!(equals.takes("boss@partner.example"));
        for other in ["Boss@partner.example", "boss@partner.example ", "boss@partner.example\u{0}", ""] {
            assert!(!equals.takes(other), "{other:?}");
        }
        assert!(one_of.takes("a") && one_of.takes("ä"));
        // The same letter, decomposed.
        assert!(!one_of.takes("a\u{308}") && !one_of.takes("b") && !one_of.takes(""));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn what_is_taken_is_one_plain_address(value in "[a@.,;:<>\"'()%! \\n\\tеxample.org]{0,24}") {
            for value in [value.clone(), format!("{value}@example.org"), format!("a@example.org{value}")] {
                if domain().takes(&value) {
                    prop_assert_eq!(value.matches('@').count(), 1);
                    prop_assert!(value.is_ascii());
                    prop_assert!(value.to_ascii_lowercase().ends_with("@example.org"));
                    prop_assert!(!value.contains(|c: char| c.is_whitespace() || c.is_control() || ",;:<>\"'()%!\\[]".contains(c)));
                }
            }
        }
    }
}
