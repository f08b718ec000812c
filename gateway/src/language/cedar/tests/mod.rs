use serde_json::json;

use super::*;

mod deep;
mod reach;

const SCHEMA: &str = r#"
namespace Shop {
    entity Role;
    entity User in [Role] = { level?: Long, from?: ipaddr };
    entity Basket = { owner: User };
    action read, write appliesTo {
        principal: [User],
        resource: [Basket],
        context: { ip?: ipaddr, hour?: Long }
    };
}
"#;

fn source(name: &str, text: &str) -> std::sync::Arc<Source> {
    std::sync::Arc::new(Source {
        name: name.into(),
        text: text.into(),
    })
}

fn sources(policies: &[(&str, &str)], schema: Option<&str>, entities: Option<&str>) -> Sources {
    Sources {
        policies: policies
            .iter()
            .map(|(name, text)| source(name, text))
            .collect(),
        schema: schema.map(|text| source("shop.cedarschema", text)),
        entities: entities.map(|text| source("entities.json", text)),
    }
}

fn store(policies: &str, schema: Option<&str>, entities: Option<&str>) -> Store {
    let read = Store::read(sources(&[("/etc/shop.cedar", policies)], schema, entities));
    read.unwrap().0
}

#[track_caller]
fn refused(sources: Sources, expected: &[&str]) {
    let problems = Store::read(sources).unwrap_err();
    told(&problems, expected);
}

#[track_caller]
fn told(problems: &[Problem], expected: &[&str]) {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(expected) {
        assert!(line.starts_with(start), "{line}\nis not\n{start}");
        assert!(!line.contains('\n'), "{line}");
    }
}

fn name(kind: &str, id: &str) -> EntityName {
    EntityName {
        kind: TypeName::parse(kind).unwrap(),
        id: id.to_owned(),
    }
}

fn bare(kind: &str, id: &str) -> Described {
    Described {
        name: name(kind, id),
        attributes: Default::default(),
        parents: Vec::new(),
    }
}

fn question(user: &str, action: &str) -> Question {
    Question {
        principal: bare("Shop::User", user),
        action: name("Shop::Action", action),
        resource: bare("Shop::Basket", "7"),
        context: Default::default(),
    }
}

#[track_caller]
fn check(store: &Store, question: &Question, allowed: bool, policies: &[&str], failed: &[&str]) {
    let answer = store.answer(question).unwrap();
    let names =
        |all: &[std::sync::Arc<str>]| all.iter().map(|one| one.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&answer.policies), policies);
    assert_eq!(names(&answer.failed), failed);
    assert_eq!(answer.is_allowed, allowed);
}

#[test]
fn policies_decide_by_roles_of_the_request_and_of_the_store() {
    let policies = r#"
permit(principal in Shop::Role::"buyer", action == Shop::Action::"read", resource);

@id("no-writes-for-guests")
forbid(principal in Shop::Role::"guest", action == Shop::Action::"write", resource);
permit(principal, action == Shop::Action::"write", resource) when { principal has level && principal.level > 3 };
"#;
    let entities = json!([
        { "uid": { "type": "Shop::Role", "id": "buyer" }, "attrs": {}, "parents": [] },
        { "uid": { "type": "Shop::User", "id": "bob" }, "attrs": { "level": 1 },
          "parents": [{ "type": "Shop::Role", "id": "buyer" }] }
    ]);
    let store = store(policies, Some(SCHEMA), Some(&entities.to_string()));
    check(
        &store,
        &question("bob", "read"),
        true,
        &["shop.cedar:2"],
        &[],
    );
    check(&store, &question("eve", "read"), false, &[], &[]);
    let mut asked = question("eve", "read");
    asked.principal.parents = vec![name("Shop::Role", "buyer")];
    check(&store, &asked, true, &["shop.cedar:2"], &[]);
    let mut asked = question("eve", "write");
    let level = |level: i64| ("level".to_owned(), Attribute::Json(json!(level)));
    asked.principal.attributes.extend([level(5)]);
    check(&store, &asked, true, &["shop.cedar:6"], &[]);
    asked.principal.parents = vec![name("Shop::Role", "guest")];
    check(&store, &asked, false, &["no-writes-for-guests"], &[]);
    let mut asked = question("bob", "write");
    asked.principal.attributes.extend([level(5)]);
    check(&store, &asked, false, &[], &[]);
}

#[test]
fn a_policy_that_fails_refuses_whatever_the_others_permit() {
    let policies = r#"
permit(principal, action, resource) when { context has hour };
@id("broken") permit(principal, action, resource) when { resource.owner == principal };
"#;
    let store = store(policies, Some(SCHEMA), None);
    let mut asked = question("bob", "read");
    asked
        .context
        .insert("hour".to_owned(), Attribute::Json(json!(3)));
    check(&store, &asked, false, &["shop.cedar:2"], &["broken"]);
    let owner = Attribute::Entity(name("Shop::User", "eve"));
    asked.resource.attributes.insert("owner".to_owned(), owner);
    check(&store, &asked, true, &["shop.cedar:2"], &[]);
}

#[test]
fn a_forbid_that_fails_is_no_permit() {
    let policies = r#"
permit(principal, action, resource);
forbid(principal, action, resource) when { resource.sealed };
"#;
    let store = store(policies, None, None);
    check(
        &store,
        &question("bob", "read"),
        false,
        &["shop.cedar:2"],
        &["shop.cedar:3"],
    );
}

#[test]
fn values_of_other_types_are_compared_as_such() {
    let policies = r#"
permit(principal, action, resource) when { context has ip && context.ip.isInRange(ip("192.0.2.0/24")) };
"#;
    let store = store(policies, Some(SCHEMA), None);
    for (address, allowed) in [("192.0.2.9", true), ("198.51.100.1", false)] {
        let mut asked = question("bob", "read");
        let value = Attribute::Extension(ExtensionKind::Ip, address.to_owned());
        asked.context.insert("ip".to_owned(), value);
        let policies: &[&str] = if allowed { &["shop.cedar:2"] } else { &[] };
        check(&store, &asked, allowed, policies, &[]);
    }
    let mut asked = question("bob", "read");
    let value = Attribute::Extension(ExtensionKind::Ip, "nowhere".to_owned());
    asked.context.insert("ip".to_owned(), value);
    store.answer(&asked).unwrap_err();
}

#[test]
fn what_the_schema_does_not_know_cannot_be_asked() {
    let store = store("permit(principal, action, resource);", Some(SCHEMA), None);
    let mut asked = question("bob", "read");
    asked
        .context
        .insert("hour".to_owned(), Attribute::Json(json!("noon")));
    store.answer(&asked).unwrap_err();
    store.answer(&question("bob", "delete")).unwrap_err();
    let mut asked = question("bob", "read");
    asked.principal = bare("Shop::Basket", "7");
    store.answer(&asked).unwrap_err();
    let mut asked = question("bob", "read");
    let size = Attribute::Json(json!(1));
    asked.principal.attributes.insert("size".to_owned(), size);
    store.answer(&asked).unwrap_err();
}

#[test]
fn questions_are_bounded_and_of_cedars_types() {
    let store = store("permit(principal, action, resource);", None, None);
    let mut asked = question("bob", "read");
    for value in [json!(1.5), json!([1, null]), json!({ "a": 2.5 })] {
        asked.context.insert("x".to_owned(), Attribute::Json(value));
        let error = store.answer(&asked).unwrap_err();
        assert_eq!(error, Unanswerable::Value("x".to_owned()));
    }
    let mut asked = question("bob", "read");
    asked.principal.parents = vec![name("Shop::Role", "a"); PARENTS_MAX + 1];
    let error = store.answer(&asked).unwrap_err();
    assert!(
        matches!(error, Unanswerable::TooMany { found: 1_025, .. }),
        "{error}"
    );
    asked.principal.parents.truncate(PARENTS_MAX);
    store.answer(&asked).unwrap();
}

#[test]
fn a_principal_that_is_the_resource_is_all_that_either_is() {
    let policies = "@id(\"open\") permit(principal, action, resource);\n\
        @id(\"banned\") forbid(principal in Group::\"banned\", action, resource);\n\
        @id(\"locked\") forbid(principal, action, resource) when { resource has locked };";
    let store = store(policies, None, None);
    let of = |id: &str, attribute: Option<&str>, group: &str| Described {
        name: name("User", id),
        attributes: attribute
            .map(|name| (name.to_owned(), Attribute::Json(json!(true))))
            .into_iter()
            .collect(),
        parents: vec![name("Group", group)],
    };
    let ask = |principal: Described, resource: Described, allowed, policies: &[&str]| {
        let asked = Question {
            principal,
            resource,
            ..question("bob", "read")
        };
        check(&store, &asked, allowed, policies, &[]);
    };
    let (plain, locked) = (of("bob", None, "own"), of("bob", Some("locked"), "own"));
    ask(plain.clone(), plain.clone(), true, &["open"]);
    ask(plain.clone(), of("eve", None, "banned"), true, &["open"]);
    // Whichever of the two says it.
    ask(of("bob", None, "banned"), plain.clone(), false, &["banned"]);
    ask(plain.clone(), of("bob", None, "banned"), false, &["banned"]);
    ask(plain.clone(), locked.clone(), false, &["locked"]);
    ask(locked, plain, false, &["locked"]);
}

#[test]
fn a_store_without_policies_refuses() {
    check(&Store::closed(), &question("bob", "read"), false, &[], &[]);
}

#[test]
fn mistakes_have_places() {
    refused(
        sources(
            &[(
                "a.cedar",
                "permit(principal, action, resource);\n  permit(principle, action, resource);",
            )],
            None,
            None,
        ),
        &["a.cedar:2:10: "],
    );
    refused(
        sources(
            &[(
                "a.cedar",
                "permit(principal, action, resource)\nwhen { principal.lvel > 3 };",
            )],
            Some(SCHEMA),
            None,
        ),
        &["a.cedar:2:8: "],
    );
    refused(
        sources(
            &[(
                "a.cedar",
                "permit(principal == ?principal, action, resource);",
            )],
            None,
            None,
        ),
        &["a.cedar:1:1: this is a template"],
    );
    let twice = r#"@id("a") permit(principal, action, resource);"#;
    refused(
        sources(&[("a.cedar", twice), ("b.cedar", twice)], None, None),
        &["b.cedar:1:1: another policy is called `a` too"],
    );
    refused(
        sources(&[], Some("entity User = { name: Strng };"), None),
        &["shop.cedarschema:1:23: "],
    );
    refused(
        sources(&[], Some("{\"a\": 1}"), None),
        &["shop.cedarschema: "],
    );
    refused(
        sources(&[], None, Some("[{}, ")),
        &["entities.json:1:5: this is no JSON"],
    );
    refused(
        sources(&[], None, Some("{}")),
        &["entities.json:1:1: this is no list"],
    );
    let entities = json!([
        { "uid": { "type": "Shop::Role", "id": "buyer" }, "attrs": {}, "parents": [] },
        { "uid": { "type": "Shop::User", "id": "bob" }, "attrs": { "size": 1 }, "parents": [] }
    ]);
    refused(
        sources(&[], Some(SCHEMA), Some(&entities.to_string())),
        &["entities.json: item 1: "],
    );
}

#[test]
fn what_never_applies_or_always_does_is_told() {
    let policies = "permit(principal, action, resource);\n\
                    permit(principal, action, resource) when { true };\n\
                    permit(principal, action == Shop::Action::\"read\", resource) when { resource is Shop::Role };";
    let read = Store::read(sources(&[("a.cedar", policies)], Some(SCHEMA), None));
    let (_, warnings) = read.unwrap();
    told(
        &warnings,
        &[
            "a.cedar:3:1: ",
            "a.cedar:1:1: this permits everything",
            "a.cedar:2:1: this permits everything",
        ],
    );
    let forbids = "forbid(principal, action, resource);";
    let (_, warnings) = Store::read(sources(&[("a.cedar", forbids)], None, None)).unwrap();
    told(&warnings, &["a.cedar: no policy permits anything"]);
}

/// What actions a policy is about, with one that no schema has.
const SCOPES: [&str; 6] = [
    "action",
    "action == Shop::Action::\"read\"",
    "action == Shop::Action::\"write\"",
    "action in [Shop::Action::\"read\", Shop::Action::\"list\"]",
    "action in Shop::Action::\"all\"",
    "action in []",
];

proptest::proptest! {
    #[test]
    fn what_cannot_apply_to_an_action_is_left_out_and_changes_no_answer(
        chosen in proptest::collection::vec((0..SCOPES.len(), 0..4_usize), 1..8),
        has_schema: bool,
    ) {
        let policies = chosen.iter().map(|(scope, kind)| {
            let scope = SCOPES[*scope];
            match kind {
                0 => format!("forbid(principal, {scope}, resource);"),
                1 => format!("permit(principal, {scope}, resource) when {{ context.missing > 1 }};"),
                _ => format!("permit(principal, {scope}, resource);"),
            }
        });
        let policies = policies.collect::<Vec<_>>().join("\n");
        let schema = "namespace Shop { entity Role; entity User in [Role]; entity Basket; action all; \
            action read, list in [all] appliesTo { principal: [User], resource: [Basket] }; \
            action write appliesTo { principal: [User], resource: [Basket] }; }";
        // Strictly read, a schema refuses some of these; what it says of groups counts here.
        let policies = if has_schema {
            policies.replace(" when { context.missing > 1 }", " when { resource in resource }")
        } else {
            policies
        };
        let read = Store::read(sources(&[("/a.cedar", &policies)], has_schema.then_some(schema), None));
        let Ok((mut store, _)) = read else {
            return Ok(());
        };
        let actions = ["read", "list", "write", "all", "other"];
        let answers = |store: &Store| actions.map(|action| store.answer(&question("bob", action)));
        let sorted = answers(&store);
        let all = cedar_policy::PolicySet::from_policies(store.about.all()).unwrap();
        store.about = crate::language::cedar::about::About::of_every(all);
        proptest::prop_assert_eq!(sorted, answers(&store), "{}", policies);
    }
}

#[test]
fn of_many_policies_those_of_an_action_are_asked() {
    let policies = (0..100).map(|number| {
        format!("permit(principal, action == Action::\"GET /{number}\", resource);\n")
    });
    let policies: String = policies.collect();
    let store = store(&policies, None, None);
    let asked = |action: &str| {
        let action = name("Action", action).uid();
        let entities = cedar_policy::Entities::empty();
        let sets = store.about.sets(&action, &entities);
        sets.map(cedar_policy::PolicySet::num_of_policies)
            .sum::<usize>()
    };
    assert_eq!(asked("GET /7"), 1);
    assert_eq!(asked("GET /100"), 0);
}
