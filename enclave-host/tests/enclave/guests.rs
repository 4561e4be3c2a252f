//! The committed guests: their digests, and that `deidentify` does what its rules say.

use std::fs;

use bellgate_enclave_protocol::Cause;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Call, Guest, Host, guests_folder};

#[test]
fn committed_modules_are_what_the_listing_says() {
    let listing = fs::read_to_string(guests_folder().join("SHA256SUMS")).unwrap();
    let mut names = Vec::new();
    for line in listing.lines() {
        let (digest, name) = line.split_once("  ").unwrap();
        let found = hex::encode(Sha256::digest(fs::read(guests_folder().join(name)).unwrap()));
        assert_eq!(found, digest, "{name}: run guests/build.sh, and commit what it gives");
        names.push(name.to_owned());
    }
    assert_eq!(names, ["deidentify.wasm", "flood.wasm", "spin.wasm"]);
    let committed = fs::read_dir(guests_folder()).unwrap().flatten();
    let wasm = committed.filter(|entry| entry.path().extension().is_some_and(|end| end == "wasm")).count();
    assert_eq!(wasm, names.len(), "every module is listed");
}

fn deidentify(host: &Host, guest: &Guest, record: &str) -> Result<String, Cause> {
    let output = host.call(&Call::new(guest, "deidentify", record.as_bytes().to_vec()))?;
    Ok(String::from_utf8(output).unwrap())
}

#[test]
fn a_record_loses_its_identifiers_and_keeps_its_medicine() {
    let host = Host::start(1, 4);
    let guest = Guest::committed("deidentify");
    let record = json!({
        "resourceType": "Patient",
        "id": "pat-17",
        "mrn": "00-1234",
        "name": [{"family": "Muster", "given": ["Erika", "Anna"]}],
        "birthDate": "1957-08-12",
        "age": 67,
        "gender": "female",
        "telecom": [{"system": "phone", "value": "555-0100"}],
        "e-mail": "erika@example.org",
        "SSN": "078-05-1120",
        "address": [{"line": ["1 Main St"], "city": "Springfield", "state": "IL", "postalCode": "62704-1234", "country": "US"}],
        "photo": [{"data": "aGVsbG8="}],
        "insurance": {"policyNumber": "P-9", "plan": "gold", "member": "M-3"},
        "vitals": [{"name": "heart rate", "value": 72.50, "unit": "/min"}],
        "medications": [{"name": "metformin", "dose": "500 mg", "prescriber": {"name": "Dr. Who", "npi": 99}}],
        "diagnoses": [{"code": "E11.9", "name": "type 2 diabetes", "onsetDate": "03/15/2019"}],
        "deviceId": null,
        "notes": "Erika called from 555-0100.",
    });
    let expected = json!({
        "resourceType": "Patient",
        "id": "[removed]",
        "mrn": "[removed]",
        "name": "[removed]",
        "birthDate": "1957",
        "age": 67,
        "gender": "female",
        "telecom": "[removed]",
        "e-mail": "[removed]",
        "SSN": "[removed]",
        "address": [{"line": ["[removed]"], "city": "[removed]", "state": "IL", "postalCode": "627", "country": "US"}],
        "photo": "[removed]",
        "insurance": {"policyNumber": "[removed]", "plan": "gold", "member": "[removed]"},
        "vitals": [{"name": "heart rate", "value": 72.50, "unit": "/min"}],
        "medications": [{"name": "metformin", "dose": "500 mg", "prescriber": {"name": "[removed]", "npi": "[removed]"}}],
        "diagnoses": [{"code": "E11.9", "name": "type 2 diabetes", "onsetDate": "2019"}],
        "deviceId": null,
        "notes": "[removed]",
    });
    let given = deidentify(&host, &guest, &serde_json::to_string_pretty(&record).unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&given).unwrap(), expected);
    assert_eq!(deidentify(&host, &guest, &given).unwrap(), given, "once is enough");
}

#[test]
fn each_rule_at_its_edges() {
    let host = Host::start(1, 4);
    let guest = Guest::committed("deidentify");
    let rows = [
        // White space goes, order and numbers stay as they were written.
        (" { \"b\" : 1.50e+2 , \"a\" : [ ] , \"c\" : { } } ", r#"{"b":1.50e+2,"a":[],"c":{}}"#),
        ("\"text\"", "\"text\""),
        ("18446744073709551615", "18446744073709551615"),
        // Names of members, whatever their case, separators and escapes.
        (
            r#"{"Birth_Date":"1957-08-12","birth-date":"1957","DATE OF BIRTH":"12 Aug 1957"}"#,
            r#"{"Birth_Date":"1957","birth-date":"1957","DATE OF BIRTH":"1957"}"#,
        ),
        (r#"{"s\u0073n":"1","\u0053SN":"2"}"#, r#"{"s\u0073n":"[removed]","\u0053SN":"[removed]"}"#),
        (
            r#"{"homePhone":1,"workEmailAddress":"a@b","fax_number":"1"}"#,
            r#"{"homePhone":"[removed]","workEmailAddress":"[removed]","fax_number":"[removed]"}"#,
        ),
        // Words that end like "id" but are none.
        (
            r#"{"covid":"no","paid":true,"steroid":1,"encounterId":1,"visit_id":2,"ID":3}"#,
            r#"{"covid":"no","paid":true,"steroid":1,"encounterId":"[removed]","visit_id":"[removed]","ID":"[removed]"}"#,
        ),
        // Dates.
        (
            r#"{"admissionDate":"2024-02-29T10:00:00Z","dob":19570812,"deathDate":"unknown","dates":["2020-01-01","x"]}"#,
            r#"{"admissionDate":"2024","dob":"[removed]","deathDate":"[removed]","dates":["2020","[removed]"]}"#,
        ),
        (
            r#"{"dob":"08/12/1957","update":"2020-01-01","dod":{"year":1999}}"#,
            r#"{"dob":"1957","update":"[removed]","dod":"[removed]"}"#,
        ),
        // Ages.
        (
            r#"{"age":89,"Age":90,"AGE":"91","a ge":12.5,"ageYears":"about 40"}"#,
            r#"{"age":89,"Age":"90+","AGE":"90+","a ge":12.5,"ageYears":"[removed]"}"#,
        ),
        // Postal codes.
        (
            r#"{"zip":"02139","zipCode":"02139-4307","zip5":"03601","postalCode":"D-10115","postcode":94110}"#,
            r#"{"zip":"021","zipCode":"021","zip5":"000","postalCode":"[removed]","postcode":"941"}"#,
        ),
        // Places.
        (
            r#"{"address":"1 Main St","homeAddress":{"street":"x","State":"IL","geo":{"lat":1}},"ipAddress":"::1"}"#,
            r#"{"address":"[removed]","homeAddress":{"street":"[removed]","State":"IL","geo":{"lat":"[removed]"}},"ipAddress":"[removed]"}"#,
        ),
        // A person as text, and as a record.
        (r#"{"patient":"Erika"}"#, r#"{"patient":"[removed]"}"#),
        (r#"{"patient":{"name":"Erika","gender":"f"}}"#, r#"{"patient":{"name":"[removed]","gender":"f"}}"#),
        (r#"{"patients":["Erika",{"bloodType":"0"}]}"#, r#"{"patients":["[removed]",{"bloodType":"0"}]}"#),
        // The name of a thing, directly in it and nowhere deeper.
        (
            r#"{"drug":{"name":"aspirin","maker":{"name":"B"}},"name":"E"}"#,
            r#"{"drug":{"name":"aspirin","maker":{"name":"[removed]"}},"name":"[removed]"}"#,
        ),
        // Whatever is in what is removed goes with it, null apart.
        (
            r#"{"photo":{"a":[1,{"b":"x"}],"ok":null},"url":null,"next":1}"#,
            r#"{"photo":"[removed]","url":null,"next":1}"#,
        ),
        (r#"{"identifier":[],"name":{},"x":[[],{}]}"#, r#"{"identifier":"[removed]","name":"[removed]","x":[[],{}]}"#),
        ("{\"ünïcode\":\"ß\u{1F600}\\ud83d\\ude00\"}", "{\"ünïcode\":\"ß\u{1F600}\\ud83d\\ude00\"}"),
    ];
    for (record, expected) in rows {
        assert_eq!(deidentify(&host, &guest, record).as_deref(), Ok(expected), "{record}");
    }
}

#[test]
fn a_text_loses_what_has_the_form_of_an_identifier() {
    let host = Host::start(1, 4);
    let guest = Guest::committed("deidentify");
    let rows = [
        ("treatment of hypertension", "treatment of hypertension"),
        ("type 2 diabetes, E11.9; 500 mg in 2024 (120/80)", "type 2 diabetes, E11.9; 500 mg in 2024 (120/80)"),
        // Mail, handles, the web.
        ("ask erika.muster+x@example.org now", "ask [removed] now"),
        ("erika\\u0040example.org", "[removed]"),
        ("erika\u{ff20}example.org", "[removed]"),
        ("<a@b.c>,d@e.f", "<[removed]>,[removed]"),
        ("a@b.c d@e.f", "[removed]"),
        ("@erika @", "[removed] @"),
        ("see https:\\/\\/example.org\\/4711 or www.example.org", "see [removed] or [removed]"),
        ("10.0.0.1 fe80::1 ::1 1.2.3", "[removed] 1.2.3"),
        // Numbers of records, telephones, accounts.
        ("patient 4711", "patient [removed]"),
        ("999 1899 1900 2099 2100", "[removed]"),
        ("999, 1899, 1900, 2099, 2100", "999, [removed], 1900, 2099, [removed]"),
        ("078-05-1120", "[removed]"),
        ("call +49 (30) 123 45 today", "call [removed] today"),
        ("call 555\u{a0}0100", "call [removed]"),
        ("12 345 6 then 12 345 67", "12 345 6 then [removed]"),
        ("12-34-5 12\u{2013}34\u{2013}56", "[removed]"),
        ("12-34-5, 12\u{2013}34\u{2013}56", "12-34-5, [removed]"),
        ("DE89370400440532013000", "[removed]"),
        ("\u{ff14}\u{ff17}\u{ff11}\u{ff11}", "[removed]"),
        ("0.0025 mg, 12.3456, 3.141592, 1234.5", "0.0025 mg, 12.3456, 3.141592, [removed]"),
        // Dates.
        ("born 1957-08-12, 12.08.1957, 8/12/57 or 12.8.57.", "born [removed], [removed], [removed] or [removed]"),
        ("since 12 Aug 1957 or August 3rd, 1957", "since [removed] 1957 or [removed], 1957"),
        // Names that are marked as such.
        ("A. Example has hypertension", "[removed] has hypertension"),
        ("by Dr. Who and Frau Erika Muster", "by [removed] and [removed]"),
        ("A.Example, E. coli, U.S., type A.", "[removed], E. coli, U.S., type A."),
        // And one that is not: nothing marks it.
        ("erika muster", "erika muster"),
    ];
    for (text, expected) in rows {
        let (given, expected) = (format!("{{\"query\":\"{text}\"}}"), format!("{{\"query\":\"{expected}\"}}"));
        assert_eq!(deidentify(&host, &guest, &given).as_deref(), Ok(&*expected), "{text}");
        assert_eq!(deidentify(&host, &guest, &expected).as_deref(), Ok(&*expected), "{text}: once is enough");
    }
    let rows = [
        // Codes stay, as far as they are codes.
        (
            r#"{"code":"8480-6","system":"http://loinc.org","version":"2026-07-28"}"#,
            r#"{"code":"8480-6","system":"http://loinc.org","version":"2026-07-28"}"#,
        ),
        (
            r#"{"code":"see 555-0100","type":"a@b.c","status":true,"unit":null}"#,
            r#"{"code":"see [removed]","type":"[removed]","status":true,"unit":null}"#,
        ),
        (
            r#"{"code":{"coding":[{"code":"38341003","display":"A. Example"}]},"codes":["38341003","a@b.c"]}"#,
            r#"{"code":{"coding":[{"code":"38341003","display":"[removed]"}]},"codes":["38341003","[removed]"]}"#,
        ),
        (r#"["patient 4711",4711]"#, r#"["patient [removed]",4711]"#),
    ];
    for (record, expected) in rows {
        assert_eq!(deidentify(&host, &guest, record).as_deref(), Ok(expected), "{record}");
    }
}

/// What the schema of a search takes comes out as it went in, so that the capability can stand as a guard before it.
#[test]
fn a_query_without_identifiers_passes_byte_for_byte() {
    let host = Host::start(1, 4);
    let guest = Guest::committed("deidentify");
    for query in [
        r#"{"manifest_version":"1.0.0","query":"treatment of hypertension"}"#,
        r#"{"manifest_version":"2.0.0","query":"amlodipine 5 mg or 10 mg","limit":10}"#,
        r#"{"version":"1","query":"hypertension"}"#,
    ] {
        assert_eq!(deidentify(&host, &guest, query).as_deref(), Ok(query));
    }
}

#[test]
fn what_is_no_record_is_an_error() {
    let host = Host::start(1, 4);
    let guest = Guest::committed("deidentify");
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(deidentify(&host, &guest, &deep(64)), Ok(deep(64)));
    let texts = [
        "",
        " ",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\"}",
        "{a:1}",
        "[1 2]",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "tru",
        "nul",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\t\"",
        "[1]]",
        "{\"a\":1}}",
        "[}",
        "1 1",
        "NaN",
        "'a'",
        "{\"photo\":[1,]}",
        "{\"photo\":{\"a\" 1}}",
        &deep(65),
    ];
    for text in texts {
        assert_eq!(deidentify(&host, &guest, text), Err(Cause::Trap), "{text}");
    }
    for bytes in
        [&b"\"\xff\""[..], b"\"\xc0\xaf\"", b"\"\xed\xa0\x80\"", b"\"\xf4\x90\x80\x80\"", b"\"\xe2\x82\"", b"\"\xc3"]
    {
        let call = Call::new(&guest, "deidentify", bytes);
        assert_eq!(host.call(&call), Err(Cause::Trap));
    }
}

#[test]
fn a_record_of_a_megabyte_passes_within_the_default_limits() {
    let host = Host::start(1, 4);
    let guest = Guest::committed("deidentify");
    let row = r#"{"ssn":1,"value":12345,"unit":"mmol/l"}"#;
    let rows = vec![row; (1 << 20) / (row.len() + 1) - 1].join(",");
    let given = deidentify(&host, &guest, &format!("[{rows}]")).unwrap();
    assert_eq!(given, format!("[{rows}]").replace("\"ssn\":1", "\"ssn\":\"[removed]\""));
}

fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "([0-9A-Za-z.@:/,+() -]{0,6}|Dr. |A. |May |1957 ){0,6}".prop_map(Value::from),
    ];
    let names =
        prop_oneof!["[a-z]{1,6}", ".{0,8}", Just("ssn".to_owned()), Just("zip".to_owned()), Just("dob".to_owned())];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(names.clone(), inner, 0..6).prop_map(Value::from_iter),
        ]
    })
}

#[test]
fn any_document_stays_a_document_and_a_second_pass_changes_nothing() {
    let host = Host::start(1, 4);
    let guest = Guest::committed("deidentify");
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    let law = runner.run(&documents(), |document| {
        let once = deidentify(&host, &guest, &document.to_string()).unwrap();
        prop_assert!(serde_json::from_str::<Value>(&once).is_ok());
        prop_assert_eq!(&deidentify(&host, &guest, &once).unwrap(), &once);
        Ok(())
    });
    law.unwrap();
}
