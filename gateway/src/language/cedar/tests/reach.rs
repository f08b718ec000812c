//! What a question does not lead to is left out, and no answer changes.

use proptest::prelude::*;

use super::*;
use crate::language::cedar::reach::of_question;

/// Entities of a store, each of which names others; what it is in has a greater number.
const COUNT: usize = 6;

#[derive(Clone, Debug)]
struct Node {
    next: Option<usize>,
    list: Vec<usize>,
    deep: Option<usize>,
    tag: Option<usize>,
    parents: Vec<usize>,
}

fn node() -> impl Strategy<Value = Option<Node>> {
    let one = || proptest::option::of(0..COUNT);
    let some = || proptest::collection::vec(0..COUNT, 0..3);
    let fields = (one(), some(), one(), one(), some());
    let node = fields.prop_map(|(next, list, deep, tag, parents)| Node {
        next,
        list,
        deep,
        tag,
        parents,
    });
    proptest::option::weighted(0.8, node)
}

fn written(nodes: &[Option<Node>]) -> String {
    let named = |number: &usize| json!({"type": "A", "id": number.to_string()});
    let value = |number: &usize| json!({ "__entity": named(number) });
    let entities = nodes.iter().enumerate().filter_map(|(number, node)| {
        let node = node.as_ref()?;
        let mut attributes = serde_json::Map::new();
        if let Some(next) = &node.next {
            attributes.insert("next".to_owned(), value(next));
        }
        if let Some(deep) = &node.deep {
            attributes.insert("deep".to_owned(), json!({"x": [{"y": value(deep)}], "z": value(deep)}));
        }
        let list: Vec<_> = node.list.iter().map(value).collect();
        attributes.insert("list".to_owned(), json!(list));
        let parents = node.parents.iter().filter(|parent| **parent > number);
        let mut entity = json!({
            "uid": named(&number), "attrs": attributes, "parents": parents.map(named).collect::<Vec<_>>(),
        });
        if let Some(tag) = &node.tag {
            entity["tags"] = json!({"t": value(tag)});
        }
        Some(entity)
    });
    json!(entities.collect::<Vec<_>>()).to_string()
}

/// Where a policy begins, and how it goes on from one entity to the next.
const BEGINNINGS: [&str; 6] = [
    "principal",
    "resource",
    "context.who",
    "A::\"0\"",
    "A::\"5\"",
    "principal.friend",
];
const STEPS: [&str; 5] = [
    ".next",
    ".deep.z",
    ".getTag(\"t\")",
    ".next.next",
    ".deep.z.getTag(\"t\").next",
];
const ENDS: [&str; 6] = [
    " in A::\"4\"",
    " == A::\"3\"",
    " has next",
    ".list.contains(A::\"2\")",
    ".deep.x.contains({y: A::\"1\"})",
    " in [A::\"5\", A::\"2\"]",
];

fn policy(effect: bool, begin: usize, steps: &[usize], end: usize) -> String {
    let effect = if effect { "permit" } else { "forbid" };
    let steps: String = steps.iter().map(|step| STEPS[*step]).collect();
    let condition = format!("{}{steps}{}", BEGINNINGS[begin], ENDS[end]);
    format!("{effect}(principal, action, resource) when {{ {condition} }};\n")
}

fn described(number: usize, friend: usize, parents: &[usize]) -> Described {
    let entity = |number: usize| name("A", &number.to_string());
    let friend = ("friend".to_owned(), Attribute::Entity(entity(friend)));
    Described {
        name: entity(number),
        attributes: [friend].into_iter().collect(),
        parents: parents.iter().copied().map(entity).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn no_answer_changes(
        nodes in proptest::collection::vec(node(), COUNT),
        policies in proptest::collection::vec(
            (
                any::<bool>(),
                0..BEGINNINGS.len(),
                proptest::collection::vec(0..STEPS.len(), 0..3),
                0..ENDS.len(),
            ),
            1..4,
        ),
        // Some are in the store, and others are not; what is in itself is refused.
        (caller, called, who, friend) in (0..COUNT + 2, 0..COUNT + 2, 0..COUNT, 0..COUNT),
        parents in proptest::collection::vec(0..COUNT, 0..3),
    ) {
        let policies: String = policies
            .iter()
            .map(|(effect, begin, steps, end)| policy(*effect, *begin, steps, *end))
            .collect();
        let mut store = store(&policies, None, Some(&written(&nodes)));
        let who = Attribute::Entity(name("A", &who.to_string()));
        let asked = Question {
            principal: described(caller, friend, &parents),
            action: name("Action", "read"),
            resource: described(called, friend, &[]),
            context: [("who".to_owned(), who)].into_iter().collect(),
        };
        let answer = store.answer(&asked);
        prop_assert!(store.reached.take().is_some());
        prop_assert_eq!(answer, store.answer(&asked), "{}", policies);
    }
}

#[test]
fn of_a_large_store_few_are_taken() {
    let nodes = (0..1_000).map(|number| {
        let named = |number: usize| json!({"type": "A", "id": number.to_string()});
        let (next, group) = (
            json!({"__entity": named(number + 1)}),
            json!({"type": "Group", "id": "g"}),
        );
        // Ten are a chain.
        let attributes = if number % 10 == 9 {
            json!({})
        } else {
            json!({ "next": next })
        };
        json!({"uid": named(number), "attrs": attributes, "parents": [group]})
    });
    let entities = json!(nodes.collect::<Vec<_>>()).to_string();
    let policies =
        "permit(principal in Group::\"g\", action, resource) when { A::\"7\" has next };";
    let store = store(policies, None, Some(&entities));
    let ids = |entities: &mut dyn Iterator<Item = &cedar_policy::Entity>| {
        let mut ids: Vec<_> = entities.map(|it| it.uid().to_string()).collect();
        ids.sort();
        ids
    };
    let named = |number: usize| format!("A::\"{number}\"");
    let of_policies = store.reached.as_ref().unwrap();
    assert_eq!(ids(&mut of_policies.iter()), [named(7), named(8), named(9)]);
    let asked = Question {
        principal: described(17, 500, &[]),
        ..question("bob", "read")
    };
    let of_question = of_question(&store.entities, of_policies, &asked).unwrap();
    let expected = [
        (500..510).map(named).collect::<Vec<_>>(),
        (17..20).map(named).collect(),
    ];
    let mut expected = expected.concat();
    expected.sort();
    assert_eq!(ids(&mut of_question.iter()), expected);
    check(&store, &asked, true, &["shop.cedar:1"], &[]);
}
