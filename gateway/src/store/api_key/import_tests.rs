//! Keys of files.

use super::tests::{new_key, refused, rules};
use super::*;
use crate::model::ApiKeyId;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb0";
const C: &str = "cccccccccccccccccccccccccccccc0";
const PLANS: &[(&str, &[&str])] = &[
    ("basic", &["prod"]),
    ("free", &["prod"]),
    ("other", &["beta"]),
];

fn import(csv: &str, fail_on_warnings: bool) -> KeyOrder {
    KeyOrder::Import {
        csv: Unsaid::new(csv.to_owned()),
        fail_on_warnings,
    }
}

/// What keys say, in the order of the file: name, description, enabled and plans.
type Said<'a> = (&'a str, &'a str, bool, &'a [&'a str]);

/// Imports into a store of its own.
#[track_caller]
fn check(csv: &str, expected: &[Said<'_>], warnings: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let store = ApiKeyStore::open(directory.path()).unwrap();
    let rules = rules(PLANS);
    if !warnings.is_empty() {
        let KeyRefusal::Warnings(found) = refused(&store, &import(csv, true), &rules) else {
            panic!("{csv:?}");
        };
        assert_eq!(found.lines().count(), warnings.len());
    }
    let followed = store.follow(&import(csv, false), &rules, 7).unwrap();
    let told: Vec<String> = followed.warnings.lines().collect();
    assert_eq!(told.len(), warnings.len(), "{csv:?}: {told:?}");
    for (told, expected) in told.iter().zip(warnings) {
        assert!(told.starts_with(expected), "{csv:?}: {told}");
    }
    let all = store.keys().all();
    let found: Vec<_> = followed
        .made
        .iter()
        .map(|id| all.find(id).unwrap())
        .collect();
    assert_eq!(all.keys().len(), found.len());
    assert_eq!(found.len(), expected.len(), "{csv:?}: {told:?}");
    for (key, (name, description, is_enabled, plans)) in found.iter().zip(expected) {
        assert_eq!(key.name.as_deref().unwrap_or_default(), *name);
        assert_eq!(key.description.as_deref().unwrap_or_default(), *description);
        assert_eq!(key.is_enabled, *is_enabled);
        let of: Vec<&str> = key.plans.iter().map(|it| it.plan.as_str()).collect();
        assert_eq!(of, *plans);
        assert_eq!(key.created_unix_seconds, 7);
    }
    drop(store);
    let again = ApiKeyStore::open(directory.path()).unwrap();
    assert_eq!(again.keys().all().keys().len(), expected.len());
}

#[test]
fn columns_stand_in_any_order_and_case_and_only_one_has_to() {
    check(&format!("Key\n{A}"), &[("", "", true, &[])], &[]);
    let full = "Name,Key,description,Enabled,usageplanIds\n";
    check(
        &format!("{full}MyFirst,{A},An imported key,TRUE,\"basic,other\"\n"),
        &[("MyFirst", "An imported key", true, &["basic", "other"])],
        &[],
    );
    check(
        &format!("\u{feff} ENABLED ,KEY,name\r\nfalse,{A},\"a \"\"b\"\", c\"\r\n,{B},\r\n"),
        &[("a \"b\", c", "", false, &[]), ("", "", true, &[])],
        &[],
    );
    check(
        &format!("{full}\n,,,,\n\"x\",\"{A}\",\"\",\"False\",\" basic , other,\"\n"),
        &[("x", "", false, &["basic", "other"])],
        &[],
    );
}

const FULL: &str = "name,key,description,enabled,usageplanids\n";

/// Rows that no key is made of, in which `@` stands for a value, and why.
const LEFT_OUT: &[(&str, &str)] = &[
    (
        "a,short,,,",
        "this value has 5 characters: write 30 to 128 letters and digits",
    ),
    (
        "a,aaaaaaaaaaaaaaaaaaaaaaaaa,,,",
        "this value has 25 characters: write 30 to",
    ),
    ("a,,,,", "this value has 0 characters"),
    ("a,@-,,,", "this value has other characters"),
    ("a, @,,,", "this value has other characters"),
    ("a,@", "it has 2 fields and the first line 5"),
    ("a,@,,,,", "it has 6 fields and the first line 5"),
    ("a,@,,yes,", "`Enabled` says neither TRUE nor FALSE"),
    ("a,@,,,b c", "`b c` is not the name of a usage plan"),
    (
        "a,@,,,\"basic,basic\"",
        "the usage plan `basic` is named twice",
    ),
    (
        "a,@,,,\"basic,free\"",
        "the usage plans `free` and `basic` are both",
    ),
    ("LONG,@,,,", "a name is one line of at most 1024"),
    ("a,@,\"two\nlines\",,", "a description is one line"),
];

#[test]
fn rows_that_cannot_be_keys_are_left_out_and_said_with_their_lines() {
    let full = FULL;
    let good: &[Said<'_>] = &[("b", "", true, &[])];
    for (row, why) in LEFT_OUT {
        let row = row.replace('@', A).replace("LONG", &"x".repeat(1_025));
        let warning = format!("left out: {why}");
        check(
            &format!("{full}{row}\nb,{B},,,\n"),
            good,
            &[&format!("line 2: {warning}")],
        );
        // The same behind a row of two lines that says why it is none.
        let csv = format!("{full}b,{B},,,\n\"a\nb\",{C},,,\n{row}\n");
        let said = [
            "line 3: left out: a name is one line".to_owned(),
            format!("line 5: {warning}"),
        ];
        check(&csv, good, &said.each_ref().map(String::as_str));
    }
    check(
        &format!("{full}a,{A},,,gone\nb,{B},,,\n"),
        &[("a", "", true, &["gone"]), ("b", "", true, &[])],
        &["line 2: the configuration has no usage plan `gone`"],
    );
    check(
        &format!("{full}a,{A},,,\nb,{A},,,\n"),
        &[("a", "", true, &[])],
        &["line 3: left out: the API key `"],
    );
}

#[test]
fn a_file_that_cannot_be_told_apart_is_refused_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = ApiKeyStore::open(directory.path()).unwrap();
    for (csv, expected) in [
        (String::new(), "there is no column `Key`"),
        (format!("Name\n{A}\n"), "there is no column `Key`"),
        (
            "\n".to_owned(),
            "the column 1 is called neither of Name, Key, Description, Enabled",
        ),
        (
            format!("Key,Enabeld\n{A},FALSE"),
            "the column 2 is called neither of",
        ),
        // A file without a first line: what stands in it is a value.
        (
            format!("{A}\n{B}\n"),
            "line 1: the column 1 is called neither of",
        ),
        (format!("Key,key\n{A},{B}"), "there are two columns `Key`"),
        (format!("Key\n{A}\n\"{B}"), "line 3: a quote is not closed"),
        (
            format!("Key\n{A}\n{B}\"\n"),
            "line 3: a quote stands within a field",
        ),
        (
            format!("Key\n{A}\n\"{B}\" \n"),
            "line 3: something stands behind a quoted field",
        ),
        (
            format!("Key\n{}", "\n".repeat(CSV_BYTES_MAX)),
            "more than 8388608 bytes",
        ),
    ] {
        for fail_on_warnings in [false, true] {
            let said = refused(&store, &import(&csv, fail_on_warnings), &rules(PLANS)).to_string();
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains(A) && !said.contains(B), "{said}");
        }
    }
}

#[test]
fn what_is_there_already_and_what_is_too_many_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let store = ApiKeyStore::open(directory.path()).unwrap();
    let few = KeyRules {
        keys_max: 3,
        ..rules(PLANS)
    };
    let order = KeyOrder::Create(new_key(A));
    let there: ApiKeyId = store.follow(&order, &few, 0).unwrap().made.remove(0);
    let csv = format!("Key\n{A}\n{B}\n{C}\n{C}1\n");
    let followed = store.follow(&import(&csv, false), &few, 0).unwrap();
    let told: Vec<String> = followed.warnings.lines().collect();
    assert_eq!(
        told,
        [
            format!(
                "line 2: left out: the API key `{there}` has this value already: take another one, \
                 or none to have one drawn"
            ),
            "line 5: left out: there are at most 3 API keys: delete those that are not used any more"
                .to_owned(),
        ]
    );
    assert_eq!(followed.made.len(), 2);
}

#[test]
fn a_refusal_shows_so_many_warnings_and_counts_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let store = ApiKeyStore::open(directory.path()).unwrap();
    let csv = format!("Key\n{}", "short\n".repeat(WARNINGS_MAX + 7));
    let said = refused(&store, &import(&csv, true), &rules(PLANS)).to_string();
    assert_eq!(said.lines().count(), WARNINGS_MAX + 2, "{said}");
    assert!(said.ends_with("and 7 more"), "{said}");
}

#[test]
fn ten_thousand_keys_are_one_change() {
    let directory = tempfile::tempdir().unwrap();
    let store = ApiKeyStore::open(directory.path()).unwrap();
    let rows = (0..10_000).map(|number| format!("key{number:027},n{number}\n"));
    let csv = format!("Key,Name\n{}", rows.collect::<String>());
    let followed = store.follow(&import(&csv, true), &rules(PLANS), 0).unwrap();
    assert_eq!(followed.made.len(), 10_000);
    assert_eq!(store.keys().all().generation(), 1);
    let mac = store.keys().mac_of(format!("key{:027}", 77).as_bytes());
    let all = store.keys().all();
    let key = all.keys().iter().find(|key| key.mac == mac).unwrap();
    assert_eq!(key.name.as_deref(), Some("n77"));
    drop(store);
    let again = ApiKeyStore::open(directory.path()).unwrap();
    assert_eq!(again.keys().all().keys(), all.keys());
}
