use proptest::prelude::*;

use super::{Key, KeyError, MAX_KEY_BYTES, MAX_TENANT_BYTES, ROOT_NAMESPACE, Tenant, entity_uuid, write_name};

fn name<'a>(keys: impl IntoIterator<Item = Key<'a>>) -> Vec<u8> {
    let mut name = Vec::new();
    write_name(keys, &mut name);
    name
}

fn text(text: &str) -> Key<'_> {
    Key::text(text).unwrap()
}

#[test]
fn a_name_is_tag_length_and_bytes() {
    let keys = [text("ab"), Key::from(150), Key::from(true), Key::NULL, Key::MISSING];
    assert_eq!(name(keys), b"s\0\0\0\x02abd\0\0\0\x0415e1b\0\0\0\x01\x01n\0\0\0\0m\0\0\0\0");
}

#[test]
fn the_root_is_what_it_says() {
    assert_eq!(ROOT_NAMESPACE, uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, b"coreason.local"));
}

#[test]
fn a_tenant_has_a_name_of_1_to_128_bytes_without_control_characters() {
    for good in ["a", "demo", "K\u{fc}che 7", &"t".repeat(MAX_TENANT_BYTES - 1), &"t".repeat(MAX_TENANT_BYTES)] {
        assert_eq!(Tenant::parse(good).unwrap().as_str(), good);
    }
    for bad in ["", "a\0b", "a\nb", "\u{85}", &"t".repeat(MAX_TENANT_BYTES + 1)] {
        assert!(matches!(Tenant::parse(bad), Err(KeyError::Tenant(_))), "{bad:?}");
    }
}

#[test]
fn a_key_has_a_limit() {
    let most = "a".repeat(MAX_KEY_BYTES);
    assert!(Key::text(&most[1..]).is_ok());
    assert!(Key::text(&most).is_ok());
    assert_eq!(Key::text(&format!("{most}a")), Err(KeyError::TooLong(MAX_KEY_BYTES + 1)));
    // Normalising can make a text longer: U+1D15E becomes two characters of four bytes each.
    let grows = "\u{1D15E}".repeat(MAX_KEY_BYTES / 4);
    assert_eq!(Key::text(&grows), Err(KeyError::TooLong(MAX_KEY_BYTES * 2)));
}

#[test]
fn only_scalars_are_keys() {
    for json in ["[]", "{}", "[1]", "\"a", "tru", "TRUE", "", "\"a\" ", " 1", "NaN", "\"\\ud800\""] {
        assert_eq!(Key::json(json), Err(KeyError::NotAScalar), "{json}");
    }
}

/// Keys as others see them, to be compared by value.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Missing,
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
}

impl Plain {
    fn key(&self) -> Key<'_> {
        match self {
            Self::Missing => Key::MISSING,
            Self::Null => Key::NULL,
            Self::Bool(value) => Key::from(*value),
            Self::Number(value) => Key::from(*value),
            Self::Text(value) => text(value),
        }
    }
}

fn plain_keys() -> impl Strategy<Value = Vec<Plain>> {
    let plain = prop_oneof![
        Just(Plain::Missing),
        Just(Plain::Null),
        any::<bool>().prop_map(Plain::Bool),
        prop_oneof![0u64..20, any::<u64>()].prop_map(Plain::Number),
        "[a-c|s\\x00]{0,6}".prop_map(Plain::Text),
    ];
    prop::collection::vec(plain, 0..4)
}

proptest! {
    #[test]
    fn equal_names_only_for_equal_keys(one in plain_keys(), other in plain_keys()) {
        let (one_name, other_name) = (name(one.iter().map(Plain::key)), name(other.iter().map(Plain::key)));
        prop_assert_eq!(one_name == other_name, one == other);
    }

    #[test]
    fn normalisation_forms_have_one_name(value in "\\PC{0,20}") {
        use unicode_normalization::UnicodeNormalization;
        let (composed, decomposed): (String, String) = (value.nfc().collect(), value.nfd().collect());
        prop_assert_eq!(name([text(&composed)]), name([text(&decomposed)]));
        prop_assert_eq!(name([text(&value)]), name([text(&composed)]));
    }

    #[test]
    fn a_json_text_is_the_text(value: String) {
        let json = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(Key::json(&json).unwrap(), text(&value));
    }

    #[test]
    fn version_and_variant_are_set(tenant in "[a-z]{1,8}", bytes: Vec<u8>) {
        let uuid = entity_uuid(&Tenant::parse(&tenant).unwrap(), &bytes);
        prop_assert_eq!(uuid.get_version_num(), 5);
        prop_assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
    }
}
