//! What is as deep as it may be, on half of the stack that threads have.

use super::*;
use crate::language::cedar::hierarchy::ANCESTORS_MAX;
use crate::language::cedar::nesting::{Bounds, FOUND, OPERATORS_OF_IF, OWN, SCHEMA};

/// Half of what Rust gives threads.
const STACK_BYTES: usize = 1024 * 1024;

/// Reads a store and asks it, and drops all that, where a stack that is too small ends the process.
fn read(sources: Sources) -> Result<(), Vec<Problem>> {
    let reading = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(|| {
            let (store, _) = Store::read(sources)?;
            let described = |kind, parent: Option<&str>| Described {
                name: name(kind, "new"),
                attributes: Default::default(),
                parents: parent.map(|id| name("Group", id)).into_iter().collect(),
            };
            let answer = store.answer(&Question {
                principal: described("Shop::User", Some("0")),
                action: name("Shop::Action", "read"),
                resource: described("Shop::Basket", None),
                context: Default::default(),
            });
            drop(answer);
            Ok(())
        });
    reading.unwrap().join().unwrap()
}

/// `levels` of brackets, and so many operators as may be besides, spread over them.
fn nested(open: &str, (operator, weight): (&str, usize), close: &str, levels: usize) -> String {
    let operators = OWN.operators.unwrap() / weight - 2;
    let each = operator.repeat(operators / levels);
    format!(
        "permit (principal, action, resource) when {{ {}true{} }};",
        format!("{each}{open}").repeat(levels),
        close.repeat(levels)
    )
}

const OPERATORS: [(&str, usize); 6] = [
    ("true && ", 1),
    ("false || ", 1),
    ("1 + ", 1),
    ("2 * ", 1),
    ("a.", 1),
    ("if true then true else ", OPERATORS_OF_IF),
];

#[test]
fn policies_as_deep_as_may_be_are_read_and_deeper_ones_are_refused() {
    // The condition has a bracket, too.
    let levels = OWN.depth - 1;
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("{a: ", "}"),
        ("!(", ")"),
        ("f(", ")"),
    ] {
        for operator in OPERATORS {
            for schema in [None, Some(super::SCHEMA)] {
                let policy = nested(open, operator, close, levels);
                let of = |policy: &str| sources(&[("a.cedar", policy)], schema, None);
                let outcome = read(of(&policy));
                let mistakes = outcome.err().unwrap_or_default();
                let is_deep = mistakes.iter().any(|it| it.message.contains("deeper than"));
                assert!(!is_deep, "{mistakes:?}");
                let deeper = nested(open, operator, close, levels + 1);
                told(&read(of(&deeper)).unwrap_err(), &["a.cedar:1:"]);
            }
        }
    }
}

#[test]
fn operators_as_many_as_may_be_are_read_and_more_are_refused() {
    for (operator, weight) in OPERATORS {
        let times = |bounds: Bounds| bounds.operators.unwrap() / weight;
        let policy = |times: usize| {
            let condition = format!("{}true", operator.repeat(times));
            format!("\npermit (principal, action, resource) when {{ {condition} }};")
        };
        let of = |policy: &str| sources(&[("a.cedar", policy)], None, None);
        if operator != "a." {
            read(of(&policy(times(OWN)))).unwrap();
        }
        let mistakes = read(of(&policy(times(OWN) + 1))).unwrap_err();
        told(&mistakes, &["a.cedar:2:"]);
        assert!(mistakes[0].message.contains("more than 1024 operators"));
        // Of others less is read.
        let frame = Store::closed();
        let found = |times| frame.under(vec![source("found", &policy(times))], None);
        let mistakes = found(times(FOUND) + 1).unwrap_err();
        assert!(
            mistakes[0].message.contains("more than 256 operators"),
            "{mistakes:?}"
        );
    }
}

#[test]
fn all_files_that_are_too_deep_are_told_with_the_other_mistakes() {
    let deep = format!(
        "permit (principal, action, resource) when {{\n {} }};",
        "(".repeat(50_000)
    );
    refused(
        sources(
            &[
                ("a.cedar", &deep),
                ("b.cedar", "permit (principle, action, resource);"),
                ("c.cedar", &deep),
            ],
            None,
            None,
        ),
        &[
            "a.cedar:2:49: brackets are deeper than 48 levels: make it flatter",
            "b.cedar:1:9: ",
            "c.cedar:2:49: brackets are deeper than 48 levels: make it flatter",
        ],
    );
}

#[test]
fn schemas_as_deep_as_may_be_are_read_and_deeper_ones_are_refused() {
    let schema = |open: &str, close: &str, times: usize| {
        let (open, close) = (open.repeat(times), close.repeat(times));
        format!("entity A = {{a: {open}Long{close}}};")
    };
    for (open, close) in [("{a: ", "}"), ("Set<", ">")] {
        let of = |times| {
            let text = schema(open, close, times);
            read(sources(&[], Some(&text), None))
        };
        of(SCHEMA.depth - 1).unwrap();
        for deeper in [SCHEMA.depth, 50_000] {
            told(&of(deeper).unwrap_err(), &["shop.cedarschema:1:"]);
        }
    }
    // JSON is read by a reader with a bound of its own.
    let json = |times: usize| {
        let shape = (0..times).fold(
            json!({"type": "Long"}),
            |inner, _| json!({"type": "Set", "element": inner}),
        );
        let shape = json!({"type": "Record", "attributes": {"a": shape}});
        let entity = json!({"entityTypes": {"A": {"shape": shape}}, "actions": {}});
        read(sources(&[], Some(&json!({"": entity}).to_string()), None))
    };
    json(100).unwrap();
    told(&json(1_000).unwrap_err(), &["shop.cedarschema"]);
}

#[test]
fn entities_as_deep_as_may_be_are_read_and_deeper_ones_are_refused() {
    let nested = |times: usize| {
        let value = (0..times).fold(json!(1), |inner, _| json!({"a": [inner]}));
        let entity = json!({"uid": {"type": "A", "id": "a"}, "attrs": {"a": value}, "parents": []});
        read(sources(&[], None, Some(&json!([entity]).to_string())))
    };
    nested(60).unwrap();
    told(&nested(70).unwrap_err(), &["entities.json:1:"]);
    let chain = |length: usize| {
        let entity = |number: usize| {
            let named = |number: usize| json!({"type": "Group", "id": number.to_string()});
            json!({"uid": named(number), "attrs": {}, "parents": [named(number + 1)]})
        };
        let entities: Vec<_> = (0..length).map(entity).collect();
        read(sources(&[], None, Some(&json!(entities).to_string())))
    };
    let longest = (1..)
        .find(|length| length * (length + 1) / 2 > ANCESTORS_MAX)
        .unwrap()
        - 1;
    chain(longest).unwrap();
    told(
        &chain(longest + 1).unwrap_err(),
        &["entities.json:1:1: the entities have more than 250000 ancestors together"],
    );
}
