//! Definitions as deployments freeze them: the native form of what an API does, as text of its own.
//!
//! The text holds everything that the file says of the API but where it answers and its stages, in
//! the order of the file, without comments, and with what stands in files that it names; behind that,
//! the authorizers that its routes name, which are a part of what it does as well. Key sets are not:
//! whoever signs changes keys when they like. So it means the same as long as upstreams do. Nothing in it
//! is secret: authorizers know public keys alone.
//!
//! Beside it stands its meaning, which is equal to another's where nothing changed but spaces, comments,
//! quotes, the spelling of numbers and an order that means nothing: who moves a route within the file
//! deploys nothing. Policies compare what is spelled, so that the spelling of one is a part of what it
//! means.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::cursor::Cursor;
use super::diagnostic::{Collector, FileId};
use super::files::Files;
use super::lower::{NONE, POLICY_BYTES_MAX};
use super::openapi::{NO_PART, print};
use super::tree::{Entry, Mapping, Node, Reading, Value};
use super::written;
use super::yaml::{self, Bounds, NODES_MAX};
use super::{SCHEMA, read, shape};

/// Longest text of a definition.
pub const DEFINITION_BYTES_MAX: usize = 8 << 20;

/// As deep as what an imported definition may become.
const BOUNDS: Bounds = Bounds {
    depth: 64,
    nodes: NODES_MAX,
};

/// What is frozen of a definition.
#[derive(Clone, Debug)]
pub(super) struct Written {
    /// In the order of the file.
    pub(super) text: Arc<str>,
    /// In an order of its own, to be compared and never read.
    pub(super) meaning: Arc<str>,
}

/// Whether the order of what stands under `key` means something: of rules the first that matches
/// counts, and of templates the first stands in for the others. `above` is the key above that.
pub(super) fn keeps_order(key: &str, above: &str) -> bool {
    const ORDERED: [&str; 6] = [
        "responses",
        "request_parameters",
        "response_parameters",
        "parameters",
        "templates",
        "request_templates",
    ];
    // By statuses first.
    ORDERED.contains(&key) || above == "response_parameters"
}

/// Where authorizers stand, in a configuration and behind a frozen definition.
pub(super) const AUTHORIZERS: &str = "authorizers";

/// What a text says.
#[derive(Debug)]
pub(super) struct Frozen {
    /// All of it, in which the API is the root.
    pub(super) tree: Node,
    /// The API.
    pub(super) api: written::Api,
    /// The authorizers that its routes name, at [`AUTHORIZERS`].
    pub(super) authorizers: written::Named<written::Authorizer>,
}

/// The definition that stands at `api`, with those of the `authorizers` that its routes
/// name; its files start at `base`. `None` where a file that it names cannot be used, which is
/// reported where that is lowered, or is not opened.
pub(super) fn freeze(
    api: &Cursor<'_>,
    authorizers: &Cursor<'_>,
    base: &Path,
    files: &Files,
) -> Option<Written> {
    let mut mapping = Mapping::default();
    let Some(Value::Mapping(written)) = api.node.map(|node| &node.value) else {
        return None;
    };
    for entry in written.entries() {
        if NO_PART.contains(&entry.key.as_str()) {
            continue;
        }
        if entry.key == "policy_file" {
            mapping.push(Entry {
                key: POLICY.to_owned(),
                node: policy(&entry.node, base, files)?,
                ..entry.clone()
            });
        } else {
            let node = normal(entry.node.clone());
            mapping.push(Entry {
                node,
                ..entry.clone()
            });
        }
    }
    let named = named(api, authorizers);
    if !named.entries().is_empty() {
        mapping.push(Entry {
            key: AUTHORIZERS.to_owned(),
            key_place: api.place,
            node: Node {
                place: api.place,
                value: Value::Mapping(named),
            },
        });
    }
    let node = Node {
        place: api.place,
        value: Value::Mapping(mapping),
    };
    Some(Written {
        text: print(&node).into(),
        meaning: meaning(&node).into(),
    })
}

/// What a definition says, in one order and one spelling.
fn meaning(definition: &Node) -> String {
    print(&canonical(definition, ["", ""], None))
}

/// The resource policy of an API.
const POLICY: &str = "policy";

/// Whether scalars of one meaning are the same, whatever their spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// They are.
    One,
    /// Each is another.
    Own,
}

impl Spelling {
    /// Of what stands at `key` of a definition itself.
    pub(super) fn below(key: &str) -> Self {
        if key == POLICY { Self::Own } else { Self::One }
    }
}

/// The same in one order; `key` and `above` are the keys that it stands under. `spelling` is `None`
/// for a definition itself, where each key has its own.
fn canonical(node: &Node, [key, above]: [&str; 2], spelling: Option<Spelling>) -> Node {
    let own = spelling.unwrap_or(Spelling::One);
    let value = match &node.value {
        Value::Scalar { text, plain } => Value::Scalar {
            text: spelled(node, own).unwrap_or_else(|| text.clone()),
            plain: *plain,
        },
        Value::Sequence(items) => {
            let items = items.iter();
            let items = items.map(|item| canonical(item, ["", key], Some(own)));
            Value::Sequence(items.collect())
        }
        Value::Mapping(mapping) => {
            let mut entries: Vec<&Entry> = mapping.entries().iter().collect();
            if !keeps_order(key, above) {
                entries.sort_by(|one, other| one.key.cmp(&other.key));
            }
            let mut sorted = Mapping::default();
            for entry in entries {
                let spelling = spelling.unwrap_or_else(|| Spelling::below(&entry.key));
                sorted.push(Entry {
                    node: canonical(&entry.node, [&entry.key, key], Some(spelling)),
                    ..entry.clone()
                });
            }
            Value::Mapping(sorted)
        }
        Value::Refused => Value::Refused,
    };
    Node {
        place: node.place,
        value,
    }
}

/// How what is no text is spelled in one way: `1` for `1.0`, `0` for `-0.0`, `true` for `True`.
fn spelled(node: &Node, spelling: Spelling) -> Option<String> {
    if spelling == Spelling::Own {
        return None;
    }
    // Before a fraction is looked for, which has fewer digits.
    if let Some(whole) = node.negative() {
        return Some(whole.to_string());
    }
    match node.reading() {
        Reading::Nothing => Some("null".to_owned()),
        Reading::Boolean(value) => Some(value.to_string()),
        Reading::Integer(value) => Some(value.to_string()),
        // There are two zeros, and they are equal.
        Reading::Number(0.0) => Some("0".to_owned()),
        Reading::Number(value) => Some(value.to_string()),
        Reading::Text(_) | Reading::Sequence | Reading::Mapping | Reading::Refused => None,
    }
}

/// Whether two scalars are the same.
pub(super) fn is_same_scalar(one: &Node, other: &Node, spelling: Spelling) -> bool {
    match (spelled(one, spelling), spelled(other, spelling)) {
        (Some(one), Some(other)) => one == other,
        (None, None) => {
            let is_text = |node: &Node| matches!(node.reading(), Reading::Text(_));
            let text = |node| Cursor::root(node).scalar();
            is_text(one) == is_text(other) && text(one) == text(other)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The `authorizers` that routes of `api` name, in the order of their names.
fn named(api: &Cursor<'_>, authorizers: &Cursor<'_>) -> Mapping {
    let routes = api.key("routes");
    let names = routes.entries();
    let names = names.filter_map(|(_, route)| route.key("authorizer").scalar());
    let names: BTreeSet<&str> = names.filter(|name| *name != NONE).collect();
    let mut named = Mapping::default();
    for name in names {
        let at = authorizers.key(name);
        if let Some(node) = at.node {
            named.push(Entry {
                key: name.to_owned(),
                key_place: at.key_place,
                node: normal(node.clone()),
            });
        }
    }
    named
}

/// Whether two settings are written in the same way but for spaces, comments and quotes.
pub(super) fn is_same(one: &Node, other: &Node) -> bool {
    print(&normal(one.clone())) == print(&normal(other.clone()))
}

/// What a file with a policy holds.
fn policy(named: &Node, base: &Path, files: &Files) -> Option<Node> {
    let Value::Scalar { text: path, .. } = &named.value else {
        return None;
    };
    let content = files.kept()?.read(&base.join(path), POLICY_BYTES_MAX);
    let content = content.ok()?;
    let content = std::str::from_utf8(&content).ok()?;
    let mut unreported = Collector::new("");
    yaml::parse(content, FileId::FIRST, BOUNDS, &mut unreported)
        .filter(|_| !unreported.has_errors())
        .map(normal)
}

/// The same with quotes only around what would otherwise not be text.
fn normal(node: Node) -> Node {
    let is_text = matches!(node.reading(), Reading::Text(_));
    let value = match node.value {
        Value::Scalar { text, plain } => Value::Scalar {
            text,
            plain: plain && !is_text,
        },
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(normal).collect()),
        Value::Mapping(mapping) => {
            let mut normalized = Mapping::default();
            for entry in mapping.entries() {
                normalized.push(Entry {
                    node: normal(entry.node.clone()),
                    ..entry.clone()
                });
            }
            Value::Mapping(normalized)
        }
        Value::Refused => Value::Refused,
    };
    Node {
        place: node.place,
        value,
    }
}

/// Reads a text, which messages call `name`. `None` where it cannot be read, which is reported.
pub(super) fn parse(name: &str, text: &str, diagnostics: &mut Collector) -> Option<Frozen> {
    let Some(file) = diagnostics.add_file(name) else {
        diagnostics.error(
            None,
            "",
            "there are too many files and deployments in one configuration: put some files together",
        );
        return None;
    };
    let tree = yaml::parse(text, file, BOUNDS, diagnostics)?;
    let root = Cursor::root(&tree);
    let own = without_authorizers(&tree);
    let own = shape::check_part(&SCHEMA, "/$defs/Api", &root, &own, diagnostics);
    let at = root.key(AUTHORIZERS);
    let authorizers = match at.node {
        None => written::Named::default(),
        Some(node) => {
            let sound =
                shape::check_part(&SCHEMA, "/properties/authorizers", &at, node, diagnostics)?;
            understood(&sound, diagnostics)?
        }
    };
    let api = understood(&own?, diagnostics)?;
    Some(Frozen {
        api,
        authorizers,
        tree,
    })
}

/// The API alone.
fn without_authorizers(tree: &Node) -> Node {
    let mut own = tree.clone();
    if let Value::Mapping(all) = &tree.value {
        let mut mapping = Mapping::default();
        let entries = all.entries().iter();
        for entry in entries.filter(|entry| entry.key != AUTHORIZERS) {
            mapping.push(entry.clone());
        }
        own.value = Value::Mapping(mapping);
    }
    own
}

fn understood<T: DeserializeOwned>(sound: &Node, diagnostics: &mut Collector) -> Option<T> {
    match read::read(sound) {
        Ok(written) => Some(written),
        Err(error) => {
            let message = format!("cannot be understood: {error}");
            diagnostics.error(Some(sound.place), "", message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::open_text;
    use super::*;
    use crate::model::{
        ApiName, CanaryPlacement, DeploymentNumber, Placement, Placements, Serving, StageName,
    };

    fn around(api: &str) -> String {
        format!("listeners: {{web: {{address: \"127.0.0.1:0\"}}}}\napis:\n{api}")
    }

    #[track_caller]
    fn text_of(config: &str) -> String {
        let opened = open_text("gateway.yaml", config, Path::new("/nowhere"));
        let opened = opened.unwrap_or_else(|report| panic!("{report}"));
        let [api] = &opened.described()[..] else {
            panic!("one API")
        };
        api.text.to_string()
    }

    /// A definition in which the order of some settings means something and that of others does not.
    const ORDERS: &str = "
type: rest
minimum_compression_size: 10
models: {A: {type: object, properties: {a: {maximum: 1.5}, b: {}}}, B: {type: array}}
routes:
  GET /a:
    authorizer: none
    throttle: {rate: 1, burst: 5}
    integration:
      type: mock
      request_templates: {a/b: '1', c/d: '2'}
      responses:
        4..: {status: 400, templates: {a/b: x, c/d: y}}
        default: {parameters: {p: a, q: b}, status: 200}
  POST /b: {scopes: [r, w], authorizer: staff, integration: {uri: 'http://a'}}
";

    fn tree(text: &str) -> Node {
        let bounds = Bounds::CONFIGURATION;
        yaml::parse(text, FileId::FIRST, bounds, &mut Collector::new("")).unwrap()
    }

    /// The mapping at each place of which there is one: its keys, and those above it.
    fn mappings(node: &Node, key: &str, above: &str, visit: &mut dyn FnMut(&Node, bool)) {
        match &node.value {
            Value::Mapping(mapping) => {
                visit(node, keeps_order(key, above));
                for entry in mapping.entries() {
                    mappings(&entry.node, &entry.key, key, visit);
                }
            }
            Value::Sequence(items) => {
                for item in items {
                    mappings(item, "", key, visit);
                }
            }
            Value::Scalar { .. } | Value::Refused => {}
        }
    }

    /// The same, where `change` has changed the entries of one mapping, the `number`th.
    fn changed(node: &Node, number: &mut usize, change: &dyn Fn(&mut Vec<Entry>)) -> Node {
        let Value::Mapping(mapping) = &node.value else {
            return node.clone();
        };
        let is_meant = *number == 0;
        *number = number.wrapping_sub(1);
        let mut entries = mapping.entries().to_vec();
        for entry in &mut entries {
            entry.node = changed(&entry.node, number, change);
        }
        if is_meant {
            change(&mut entries);
        }
        let mut mapping = Mapping::default();
        entries.into_iter().for_each(|entry| mapping.push(entry));
        Node {
            place: node.place,
            value: Value::Mapping(mapping),
        }
    }

    #[test]
    fn only_an_order_that_means_something_is_part_of_the_meaning() {
        let whole = tree(ORDERS);
        let own = meaning(&whole);
        let mut orders = Vec::new();
        mappings(&whole, "", "", &mut |node, keeps| {
            orders.push((node.keys().count(), keeps));
        });
        assert!(orders.iter().filter(|(_, keeps)| *keeps).count() >= 4);
        for (number, (count, keeps)) in orders.into_iter().enumerate() {
            for turn in 1..count {
                let turned = changed(&whole, &mut { number }, &|it| it.rotate_left(turn));
                assert_eq!(meaning(&turned) != own, keeps, "{}", print(&turned));
            }
            for place in 0..count {
                // Whatever goes or is another is told.
                let without = changed(&whole, &mut { number }, &|it| drop(it.remove(place)));
                assert_ne!(meaning(&without), own, "{}", print(&without));
                let renamed = changed(&whole, &mut { number }, &|it| it[place].key.push('x'));
                assert_ne!(meaning(&renamed), own, "{}", print(&renamed));
                let other = changed(&whole, &mut { number }, &|it| {
                    it[place].node.value = Value::Scalar {
                        text: "other".to_owned(),
                        plain: false,
                    };
                });
                assert_ne!(meaning(&other), own, "{}", print(&other));
            }
        }
        let spelled = ORDERS
            .replace("rate: 1,", "rate: 1.0,")
            .replace("1.5", "15e-1");
        assert_eq!(meaning(&tree(&spelled)), own);
        assert_ne!(meaning(&tree(&ORDERS.replace("[r, w]", "[w, r]"))), own);
    }

    #[test]
    fn numbers_are_what_they_say_and_in_policies_what_is_written() {
        let said = |place: &str, number: &str| meaning(&tree(&place.replace('#', number)));
        let model = "models: {A: {maximum: #, properties: {policy: {maximum: #}}}}";
        let listed = "models: {A: {enum: [[{policy: #}]]}}";
        let policy = "policy: {Statement: [{Condition: {StringEquals: {a: [#], b: #}}}]}";
        for (one, other, is_same) in [
            ("1", "1.0", true),
            ("1", "10e-1", true),
            ("-1", "-1.0", true),
            ("0", "-0.0", true),
            ("0", "-0", true),
            ("true", "True", true),
            ("1", "'1'", false),
            ("1", "-1", false),
            // More digits than a fraction has.
            ("9007199254740992", "9007199254740993", false),
            ("-9007199254740992", "-9007199254740993", false),
        ] {
            let is_found = said(model, one) == said(model, other);
            assert_eq!(is_found, is_same, "{one} {other}");
            let is_found = said(listed, one) == said(listed, other);
            assert_eq!(is_found, is_same, "listed: {one} {other}");
            let scalar = |text| tree(&format!("a: {text}")).entry("a").unwrap().node.clone();
            let (first, second) = (scalar(one), scalar(other));
            assert_eq!(is_same_scalar(&first, &second, Spelling::One), is_same);
            assert_ne!(said(policy, one), said(policy, other), "{one} {other}");
            assert!(!is_same_scalar(&first, &second, Spelling::Own));
        }
    }

    /// Whoever adds a setting to APIs decides here whether deployments freeze it.
    #[test]
    fn every_setting_of_an_api_is_frozen_or_says_where_it_answers() {
        const FROZEN: [&str; 11] = [
            "type",
            "policies",
            "policy",
            "policy_file",
            "gateway_responses",
            "models",
            "minimum_compression_size",
            "binary_media_types",
            "api_key_source",
            "cors",
            "routes",
        ];
        let schema = SCHEMA.pointer("/$defs/Api/properties").unwrap();
        for name in schema.as_object().unwrap().keys() {
            let is_frozen = FROZEN.contains(&name.as_str());
            assert_ne!(is_frozen, NO_PART.contains(&name.as_str()), "{name}");
        }
    }

    const PETS: &str = "  pets:
    type: rest
    stages: {prod: {variables: {host: a.test}}, next: {variables: {host: n.test}}}
    routes:
      GET /pets: # all of them
        authorizer: none
        throttle: {rate: 1.5, burst: 3}
        integration: {uri: 'http://${stageVariables.host}/v1', timeout: 10s}
";

    #[test]
    fn only_what_an_api_does_is_frozen() {
        let text = text_of(&around(PETS));
        for changed in [
            PETS.replace("a.test", "b.test"),
            PETS.replace(" # all of them", ""),
            PETS.replace("10s", "\"10s\""),
            PETS.replace(", next: {", ", next: {auto_deploy: false, "),
            PETS.replace(
                "    type: rest\n",
                "    type: rest\n    hosts: [a.test]\n    id: pets\n",
            ),
        ] {
            assert_eq!(text_of(&around(&changed)), text, "{changed}");
        }
        for changed in [
            PETS.replace("GET /pets", "GET /pet"),
            PETS.replace("1.5", "2"),
            PETS.replace(
                "    type: rest\n",
                "    type: rest\n    minimum_compression_size: 0\n",
            ),
        ] {
            assert_ne!(text_of(&around(&changed)), text, "{changed}");
        }
    }

    fn placements(text: &str, canary: Option<CanaryPlacement>) -> Placements {
        let placement = Placement {
            base: Serving {
                number: DeploymentNumber(3),
                text: Some(text.into()),
            },
            promoted: [("host".to_owned(), "promoted.test".to_owned())].into(),
            canary,
        };
        let key = (ApiName::new("pets"), StageName::new("prod"));
        Placements::from([(key, placement)])
    }

    #[test]
    fn a_stage_serves_what_was_frozen_and_others_what_the_file_says() {
        let frozen = text_of(&around(PETS));
        let newer = around(&PETS.replace("GET /pets", "GET /cats"));
        let opened = open_text("gateway.yaml", &newer, Path::new("/nowhere")).unwrap();
        let canary = CanaryPlacement {
            serving: Serving {
                number: DeploymentNumber(4),
                text: None,
            },
            share: "10".parse().unwrap(),
            overrides: [("host".to_owned(), "canary.test".to_owned())].into(),
        };
        let placed = opened.placed(&placements(&frozen, Some(canary))).unwrap();
        let [prod, next] = &placed.gateway.apis[0].stages[..] else {
            panic!("two stages")
        };
        let keys = |definition: &crate::model::Definition| {
            let routes = definition.routes.iter();
            routes
                .map(|route| route.key.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&prod.definition), ["GET /pets"]);
        assert_eq!(prod.deployment, Some(DeploymentNumber(3)));
        assert_eq!(prod.variables["host"], "promoted.test");
        let canary = prod.canary.as_ref().unwrap();
        assert_eq!(keys(&canary.definition), ["GET /cats"]);
        assert_eq!(canary.variables["host"], "canary.test");
        assert_eq!(keys(&next.definition), ["GET /cats"]);
        assert_eq!(next.deployment, None);
        let endpoints = format!("{:?}", prod.definition.routes[0].integration);
        assert!(endpoints.contains("promoted.test"), "{endpoints}");
        let endpoints = format!("{:?}", canary.definition.routes[0].integration);
        assert!(endpoints.contains("canary.test"), "{endpoints}");
    }

    #[test]
    fn what_does_not_fit_any_more_is_told_with_its_place_and_a_fix() {
        let opened = open_text("gateway.yaml", &around(PETS), Path::new("/nowhere")).unwrap();
        let frozen = text_of(&around(PETS));
        let gone = frozen.replace("authorizer: none", "authorizer: staff");
        let report = opened.placed(&placements(&gone, None)).unwrap_err();
        let report = report.to_string();
        let lines: Vec<&str> = report.lines().collect();
        assert_eq!(
            lines,
            [
                "gateway.yaml:5:14: apis.pets.stages.prod: it serves deployment 3, which this \
                 configuration does not fit: put back what that needs, or have it serve another \
                 one with `gateway rollback pets --stage prod --to <number>`",
                "deployment 3 of `pets`:4:17: routes.\"GET /pets\".authorizer: the authorizer `staff` \
                 was not kept with this deployment, which nothing can serve therefore: have what \
                 serves it serve another one or, with `gateway deploy`, what the file says",
            ]
        );
        let other = frozen.replace("type: rest", "type: http");
        let report = opened.placed(&placements(&other, None)).unwrap_err();
        assert!(
            report
                .to_string()
                .contains(":1:7: type: this is another type"),
            "{report}"
        );
        for (broken, expected) in [
            ("type: [", "deployment 3 of `pets`:2:1: "),
            (
                "type: rest\nroute: {}",
                "deployment 3 of `pets`:2:1: unknown key `route`",
            ),
        ] {
            let report = opened.placed(&placements(broken, None)).unwrap_err();
            assert!(report.to_string().contains(expected), "{report}");
        }
    }

    const STAFF: &str = "authorizers:
  staff:
    type: jwt
    issuer: https://login.test
    audiences: [app]
  others: {type: jwt, issuer: https://others.test, audiences: [others]}
";

    /// What each stage's route is authorized by: the name and the audiences.
    fn authorizers(loaded: &crate::config::Loaded) -> Vec<(String, Vec<String>)> {
        let gateway = &loaded.gateway;
        let stages = gateway.apis[0].stages.iter();
        let named = stages.map(|stage| stage.definition.routes[0].authorizer.clone().unwrap());
        let found = |name: crate::model::AuthorizerName| {
            let mut all = gateway.authorizers.iter();
            let found = all.find(|it| it.name == name).unwrap();
            (
                name.to_string(),
                found.jwt().unwrap().issuers[0].audiences.clone(),
            )
        };
        named.map(found).collect()
    }

    #[test]
    fn authorizers_are_frozen_with_the_apis_whose_routes_name_them() {
        let behind = PETS.replace("authorizer: none", "authorizer: staff");
        let config = around(&behind) + STAFF;
        let frozen = text_of(&config);
        assert!(frozen.contains("authorizers:\n  staff:\n"), "{frozen}");
        assert!(!frozen.contains("others"), "{frozen}");
        let said_again = STAFF.replace("[app]", "[ 'app' ] # as before");
        assert_eq!(text_of(&(around(&behind) + &said_again)), frozen);
        let same = ("staff".to_owned(), vec!["app".to_owned()]);
        let kept = ("staff@pets.3".to_owned(), vec!["app".to_owned()]);
        let new = ("staff".to_owned(), vec!["new".to_owned()]);
        for (written, expected) in [
            (STAFF.to_owned(), [same.clone(), same]),
            (STAFF.replace("[app]", "[new]"), [kept, new]),
        ] {
            let text = around(&behind) + &written;
            let opened = open_text("gateway.yaml", &text, Path::new("/nowhere")).unwrap();
            let placed = opened.placed(&placements(&frozen, None)).unwrap();
            assert_eq!(authorizers(&placed), expected);
        }
    }

    #[test]
    fn policies_of_files_are_frozen_with_their_apis() {
        let directory = tempfile::tempdir().unwrap();
        let policy = r#"{"Statement": [{"Effect": "Allow", "Principal": "*",
            "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}]}"#;
        std::fs::write(directory.path().join("policy.json"), policy).unwrap();
        let config =
            around(&PETS.replace("    stages", "    policy_file: policy.json\n    stages"));
        let opened = open_text("gateway.yaml", &config, directory.path()).unwrap();
        let text = opened.described()[0].text.to_string();
        assert!(text.contains("policy:\n  Statement:\n"), "{text}");
        let own = opened.gateway().apis[0].definition.policy.clone();
        std::fs::remove_file(directory.path().join("policy.json")).unwrap();
        let served = open_text("gateway.yaml", &around(PETS), directory.path()).unwrap();
        let served = served.placed(&placements(&text, None)).unwrap();
        let served = served.gateway.apis[0].stages[0].definition.policy.clone();
        assert_eq!(format!("{served:?}"), format!("{own:?}"));
    }
}
