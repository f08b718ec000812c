//! Definitions as deployments freeze them: the native form of what an API does, as text of its own.
//!
//! The text holds everything that the file says of the API but where it answers and its stages, in
//! the order of the file, without comments, and with what stands in files that it names. So it
//! means the same as long as authorizers and upstreams do, and two texts are equal where nothing
//! changed but spaces, comments and quotes.

use std::path::Path;
use std::sync::Arc;

use super::cursor::Cursor;
use super::diagnostic::{Collector, FileId};
use super::lower::{POLICY_BYTES_MAX, read_file};
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

/// The text of the definition that stands at `api`, whose files start at `base`. `None` where a
/// file that it names cannot be used, which is reported where that is lowered.
pub(super) fn text(api: &Cursor<'_>, base: &Path) -> Option<Arc<str>> {
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
                key: "policy".to_owned(),
                node: policy(&entry.node, base)?,
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
    let node = Node {
        place: api.place,
        value: Value::Mapping(mapping),
    };
    Some(print(&node).into())
}

/// What a file with a policy holds.
fn policy(named: &Node, base: &Path) -> Option<Node> {
    let Value::Scalar { text: path, .. } = &named.value else {
        return None;
    };
    let content = read_file(&base.join(path), POLICY_BYTES_MAX).ok()?;
    let content = String::from_utf8(content).ok()?;
    let mut unreported = Collector::new("");
    yaml::parse(&content, FileId::FIRST, BOUNDS, &mut unreported)
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

/// Reads a text as the tree and the written form of an API; messages call it `name`. `None` where it
/// cannot be read, which is reported.
pub(super) fn parse(
    name: &str,
    text: &str,
    diagnostics: &mut Collector,
) -> Option<(Node, written::Api)> {
    let Some(file) = diagnostics.add_file(name) else {
        diagnostics.error(
            None,
            "",
            "too many files and deployments in one configuration",
        );
        return None;
    };
    let tree = yaml::parse(text, file, BOUNDS, diagnostics)?;
    let sound = shape::check_part(&SCHEMA, "Api", &tree, diagnostics)?;
    match read::read(&sound) {
        Ok(written) => Some((tree, written)),
        Err(error) => {
            let message = format!("cannot be understood: {error}");
            diagnostics.error(Some(tree.place), "", message);
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

    /// Whoever adds a setting to APIs decides here whether deployments freeze it.
    #[test]
    fn every_setting_of_an_api_is_frozen_or_says_where_it_answers() {
        const FROZEN: [&str; 9] = [
            "type",
            "policy",
            "policy_file",
            "gateway_responses",
            "models",
            "minimum_compression_size",
            "binary_media_types",
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
                "deployment 3 of `pets`:4:17: routes.\"GET /pets\".authorizer: there is no \
                 authorizer `staff`: there is only `none`",
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
