use serde_json::json;

use super::*;

fn models(list: &[(&str, Value)]) -> Result<Models, SchemaError> {
    Models::new(list.iter().map(|(name, schema)| (*name, schema)))
}

fn only(schema: Value) -> Schema {
    models(&[("M", schema)])
        .expect("valid models")
        .compile("M")
        .expect("a valid model")
}

#[track_caller]
fn check(schema: Value, instance: Value, expected: &str) {
    let outcome = only(schema.clone()).validate(&instance);
    let text = outcome.as_ref().map_or_else(Invalid::text, |()| "");
    assert_eq!(text, expected, "{schema} {instance}");
}

#[test]
fn errors_are_in_the_words_of_the_reference() {
    for (schema, instance, expected) in [
        (json!({}), json!(1), ""),
        (json!({"type": "object"}), json!({"a": 1}), ""),
        (
            json!({"type": "object", "required": ["name"]}),
            json!({}),
            r#"[object has missing required properties (["name"])]"#,
        ),
        (
            json!({"required": ["b", "c", "a"]}),
            json!({"c": 1}),
            r#"[object has missing required properties (["a","b"])]"#,
        ),
        (
            json!({"type": "number"}),
            json!("x"),
            r#"[instance type (string) does not match any allowed primitive type (allowed: ["integer","number"])]"#,
        ),
        (
            json!({"type": ["string", "null"]}),
            json!(1.5),
            r#"[instance type (number) does not match any allowed primitive type (allowed: ["null","string"])]"#,
        ),
        (
            json!({"type": "integer"}),
            json!(true),
            r#"[instance type (boolean) does not match any allowed primitive type (allowed: ["integer"])]"#,
        ),
        (
            json!({"enum": ["a", "b"]}),
            json!("c"),
            r#"[instance value ("c") not found in enum (possible values: ["a","b"])]"#,
        ),
        (
            json!({"properties": {"a": {}}, "additionalProperties": false}),
            json!({"a": 1, "b": 2}),
            r#"[object instance has properties which are not allowed by the schema: ["b"]]"#,
        ),
    ] {
        check(schema, instance, expected);
    }
}

#[test]
fn errors_of_bounds_and_choices_have_words_too() {
    for (schema, instance, expected) in [
        (
            json!({"minLength": 2}),
            json!("ü"),
            r#"[string "ü" is too short (length: 1, required minimum: 2)]"#,
        ),
        (
            json!({"maxLength": 1}),
            json!("ab"),
            r#"[string "ab" is too long (length: 2, maximum allowed: 1)]"#,
        ),
        (
            json!({"pattern": "^a+$"}),
            json!("b"),
            r#"[ECMA 262 regex "^a+$" does not match input string "b"]"#,
        ),
        (
            json!({"maximum": 5}),
            json!(6),
            "[numeric instance is greater than the required maximum (maximum: 5, found: 6)]",
        ),
        (
            json!({"maximum": 5, "exclusiveMaximum": true}),
            json!(5),
            "[numeric instance is not strictly lower than the required maximum 5]",
        ),
        (
            json!({"minItems": 1}),
            json!([]),
            "[array is too short: must have at least 1 elements but instance has 0 elements]",
        ),
        (
            json!({"uniqueItems": true}),
            json!([1, 1]),
            "[array must not contain duplicate elements]",
        ),
        (
            json!({"multipleOf": 2}),
            json!(3),
            "[instance failed to match keyword `multipleOf`]",
        ),
        (
            json!({"not": {}}),
            json!(3),
            "[instance failed to match the schema]",
        ),
        (
            json!({"anyOf": [{"type": "string"}, {"minimum": 2}]}),
            json!(1),
            "[instance failed to match the schema]",
        ),
    ] {
        check(schema, instance, expected);
    }
}

#[test]
fn choices_are_counted() {
    let choices = json!([{"type": "string"}, {"minimum": 2}, {"multipleOf": 3}]);
    for (instance, all, any, one) in [
        (json!("x"), true, true, false),
        (json!(1), false, false, false),
        (json!(2), false, true, true),
        (json!(6), false, true, false),
    ] {
        for (keyword, expected) in [("allOf", all), ("anyOf", any), ("oneOf", one)] {
            let outcome = only(json!({keyword: choices})).validate(&instance);
            assert_eq!(outcome.is_ok(), expected, "{keyword} {instance}");
        }
    }
}

#[test]
fn several_errors_are_listed() {
    check(
        json!({"properties": {"a": {"type": "string"}, "b": {"minimum": 2}}, "required": ["c"]}),
        json!({"a": [], "b": 1}),
        "[object has missing required properties ([\"c\"]), \
         instance type (array) does not match any allowed primitive type (allowed: [\"string\"]), \
         numeric instance is lower than the required minimum (minimum: 2, found: 1)]",
    );
}

#[test]
fn what_another_model_requires_is_listed_whole() {
    let list = [
        ("Pet", json!({"required": ["b", "a"]})),
        (
            "A",
            json!({"properties": {"pet": {"allOf": [{"$ref": "#/definitions/Pet"}]}}}),
        ),
    ];
    let schema = models(&list).expect("valid").compile("A").expect("valid");
    let text = schema.validate(&json!({"pet": {}})).expect_err("invalid");
    let expected = r#"[object has missing required properties (["a","b"])]"#;
    assert_eq!(text.text(), expected);
}

#[test]
fn texts_are_bounded() {
    let long = only(json!({"items": {"enum": ["x".repeat(5000)]}}));
    let many: Vec<String> = (0..200)
        .map(|at| format!("{at}{}", "ü".repeat(100)))
        .collect();
    let text = long.validate(&json!(many)).expect_err("invalid");
    assert!(
        text.text().len() <= MESSAGE_BYTES_MAX,
        "{}",
        text.text().len()
    );
    assert!(text.text().ends_with("...]"));
    let names: Vec<String> = (0..1000).map(|at| format!("name{at}")).collect();
    let required = only(json!({"required": names}));
    assert!(
        required
            .validate(&json!({}))
            .expect_err("invalid")
            .text()
            .len()
            <= MESSAGE_BYTES_MAX
    );
}

#[test]
fn large_bodies_are_explained_by_one_error() {
    let schema = only(json!({"items": {"type": "string"}}));
    let text = schema
        .validate(&json!(vec![1; 100_000]))
        .expect_err("invalid");
    let expected = r#"[instance type (integer) does not match any allowed primitive type (allowed: ["string"])]"#;
    assert_eq!(text.text(), expected);
}

#[test]
fn models_refer_to_each_other() {
    let url = "https://apigateway.amazonaws.com/restapis/abc123/models";
    let list = [
        (
            "Id",
            json!({"type": "integer", "definitions": {"Text": {"type": "string"}}}),
        ),
        (
            "A",
            json!({"properties": {"id": {"$ref": "#/definitions/Id"}}}),
        ),
        (
            "B",
            json!({"properties": {"id": {"$ref": "#/components/schemas/Id"}}}),
        ),
        (
            "C",
            json!({"properties": {"id": {"$ref": format!("{url}/Id")}}}),
        ),
        (
            "D",
            json!({"properties": {"id": {"$ref": format!("{url}/A#/properties/id")}}}),
        ),
        (
            "E",
            json!({
                "id": "http://example.com/e", "$schema": "http://json-schema.org/draft-04/schema#",
                "definitions": {"Id": {"type": "integer", "id": "x"}, "a b/c%~": {"$ref": "#/definitions/Id"}},
                "properties": {"id": {"$ref": "#/definitions/a%20b~1c%25~0"}},
            }),
        ),
        ("F", json!({"$ref": "#/definitions/A"})),
        (
            "G",
            json!({"allOf": [{"$ref": "#/definitions/F"}, {"type": "object"}]}),
        ),
    ];
    let models = models(&list).expect("valid models");
    for name in ["A", "B", "C", "D", "E", "F", "G"] {
        let schema = models.compile(name).expect(name);
        assert_eq!(schema.validate(&json!({"id": 1})), Ok(()), "{name}");
        let text = schema.validate(&json!({"id": "x"})).expect_err(name);
        assert!(
            text.text().starts_with("[instance type (string)"),
            "{name}: {text}"
        );
    }
    assert!(models.compile("Other").is_err());
}

#[test]
fn a_definition_of_its_own_comes_before_a_model() {
    let list = [
        ("Id", json!({"type": "integer"})),
        (
            "A",
            json!({"$ref": "#/definitions/Id", "definitions": {"Id": {"type": "string"}}}),
        ),
    ];
    let schema = models(&list).expect("valid").compile("A").expect("valid");
    assert!(schema.validate(&json!("x")).is_ok() && schema.validate(&json!(1)).is_err());
}

#[test]
fn built_in_models_are_there() {
    let models = models(&[("Error", json!({"type": "string"}))]).expect("valid");
    assert!(
        models
            .compile("Empty")
            .expect("there")
            .validate(&json!({"a": 1}))
            .is_ok()
    );
    assert!(
        models
            .compile("Error")
            .expect("there")
            .validate(&json!("own"))
            .is_ok()
    );
}

#[test]
fn references_elsewhere_are_refused() {
    let refused =
        |reference: &str| models(&[("A", json!({"properties": {"x": {"$ref": reference}}}))]).err();
    for reference in [
        "http://example.com/x.json",
        "file:///etc/passwd",
        "other.json",
        "x.json#/definitions/A",
        "https://apigateway.amazonaws.com/restapis/abc/models/Other",
        "https://apigateway.amazonaws.com/restapis/abc/stages/A",
        "#/definitions/Other",
        "#name",
        "#/x%zz",
        "http://json-schema.org/draft-04/schema#",
        "",
    ] {
        let expected = SchemaError::External {
            model: "A".into(),
            reference: reference.into(),
        };
        assert_eq!(refused(reference), Some(expected), "{reference}");
    }
    for reference in [
        "#/properties",
        "#/definitions/A/properties/y",
        "#/definitions/Empty/title",
    ] {
        let expected = SchemaError::Nowhere {
            model: "A".into(),
            reference: reference.into(),
        };
        assert_eq!(refused(reference), Some(expected), "{reference}");
    }
}

#[test]
fn only_schemas_hold_references() {
    let schema = json!({
        "enum": [{"$ref": "http://example.com"}, 1],
        "default": {"$ref": "nowhere"},
    });
    check(schema, json!({"$ref": "http://example.com"}), "");
    let schema = json!({"properties": {"$ref": {"type": "string"}, "id": {"type": "string"}}});
    check(schema, json!({"$ref": "x", "id": "y"}), "");
}

#[test]
fn recursion_over_the_instance_is_fine() {
    let list = [
        (
            "Tree",
            json!({
                "type": "object", "required": ["v"],
                "properties": {"v": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#"}}},
            }),
        ),
        (
            "A",
            json!({"properties": {"b": {"$ref": "#/definitions/B"}}}),
        ),
        (
            "B",
            json!({"properties": {"a": {"$ref": "#/definitions/A"}}, "required": ["x"]}),
        ),
    ];
    let models = models(&list).expect("valid");
    let tree = models.compile("Tree").expect("valid");
    assert!(
        tree.validate(&json!({"v": 1, "children": [{"v": 2, "children": []}]}))
            .is_ok()
    );
    assert!(
        tree.validate(&json!({"v": 1, "children": [{"children": []}]}))
            .is_err()
    );
    let a = models.compile("A").expect("valid");
    assert!(
        a.validate(&json!({"b": {"x": 1, "a": {"b": {"x": 2}}}}))
            .is_ok()
    );
    assert!(a.validate(&json!({"b": {"x": 1, "a": {"b": {}}}})).is_err());
}

#[test]
fn schemas_that_apply_each_other_without_end_are_refused() {
    let to = |name: &str| json!({"$ref": format!("#/definitions/{name}")});
    for list in [
        vec![("A", to("A"))],
        vec![("A", json!({"$ref": "#"}))],
        vec![("A", to("B")), ("B", to("A"))],
        vec![
            ("A", json!({"allOf": [to("B")]})),
            ("B", json!({"anyOf": [{}, to("A")]})),
        ],
        vec![("A", json!({"not": to("A")}))],
        vec![("A", json!({"oneOf": [{"$ref": "#/oneOf/0"}]}))],
        vec![("A", json!({"dependencies": {"x": to("A"), "y": ["z"]}}))],
        vec![(
            "A",
            json!({"properties": {"x": {"$ref": "#/properties/x"}}}),
        )],
        vec![
            ("Z", json!({})),
            ("A", json!({"items": to("B")})),
            ("B", json!({"allOf": [to("B")]})),
        ],
    ] {
        let error = models(&list);
        assert!(
            matches!(error, Err(SchemaError::Endless { .. })),
            "{list:?} {error:?}"
        );
    }
}

#[test]
fn chains_are_bounded() {
    let chain = |length: usize| -> Vec<(String, Value)> {
        let model = |at: usize| match at {
            0 => json!({"type": "integer"}),
            at => json!({"$ref": format!("#/definitions/M{}", at - 1)}),
        };
        (0..length)
            .map(|at| (format!("M{at}"), model(at)))
            .collect()
    };
    let load = |list: &[(String, Value)]| {
        Models::new(list.iter().map(|(name, schema)| (name.as_str(), schema)))
    };
    let longest = load(&chain(CHAIN_MAX)).expect("short enough");
    let schema = longest
        .compile(&format!("M{}", CHAIN_MAX - 1))
        .expect("valid");
    assert!(schema.validate(&json!(1)).is_ok() && schema.validate(&json!("x")).is_err());
    let error = load(&chain(CHAIN_MAX + 1));
    assert!(
        matches!(error, Err(SchemaError::TooLongChain { .. })),
        "{error:?}"
    );
}

#[test]
fn the_deepest_body_fits_the_stack_behind_the_longest_chain() {
    let mut list: Vec<(String, Value)> = (1..CHAIN_MAX - 2)
        .map(|at| {
            (
                format!("M{at}"),
                json!({"allOf": [{"$ref": format!("#/definitions/M{}", at - 1)}]}),
            )
        })
        .collect();
    list.truncate((CHAIN_MAX - 2) / 2);
    let last = list.len();
    list.push((
        "M0".to_owned(),
        json!({"items": {"$ref": format!("#/definitions/M{last}")}, "type": "array"}),
    ));
    let models =
        Models::new(list.iter().map(|(name, schema)| (name.as_str(), schema))).expect("valid");
    let schema = models.compile("M0").expect("valid");
    let nested = |depth| (1..depth).fold(json!([]), |inner, _| json!([inner]));
    assert_eq!(schema.validate(&nested(INSTANCE_DEPTH_MAX)), Ok(()));
    let text = schema
        .validate(&nested(INSTANCE_DEPTH_MAX + 1))
        .expect_err("too deep");
    assert_eq!(text.text(), "[instance is nested too deep]");
}

#[test]
fn choices_within_recursion_take_no_exponential_time() {
    let branch = |kind: &str| json!({"properties": {"a": {"$ref": "#"}, "kind": {"enum": [kind]}}});
    let schema = only(json!({"oneOf": [branch("x"), branch("y"), branch("z")]}));
    let nested = |leaf| {
        (1..INSTANCE_DEPTH_MAX).fold(
            json!({"kind": leaf}),
            |inner, _| json!({"a": inner, "kind": "z"}),
        )
    };
    assert!(schema.validate(&nested("x")).is_ok());
    assert!(schema.validate(&nested("other")).is_err());
}

#[test]
fn what_is_no_schema_is_refused() {
    for schema in [
        json!([]),
        json!(true),
        json!({"type": "text"}),
        json!({"minimum": "1"}),
        json!({"required": true}),
        json!({"required": []}),
        json!({"exclusiveMinimum": 5}),
        json!({"properties": {"a": 1}}),
    ] {
        let error = models(&[("A", schema.clone())]);
        assert!(matches!(error, Err(SchemaError::Syntax { .. })), "{schema}");
    }
    for pattern in ["(", "(a)\\1", "(?=a)"] {
        let loaded = models(&[("A", json!({"pattern": pattern}))])
            .and_then(|models| models.compile("A").map(|_| ()));
        assert!(
            matches!(loaded, Err(SchemaError::Syntax { .. })),
            "{pattern}"
        );
    }
    for name in ["", "a b", "a/b", "ü", "a#"] {
        assert!(
            matches!(models(&[(name, json!({}))]), Err(SchemaError::Name(_))),
            "{name}"
        );
    }
    let error = models(&[("A", json!({})), ("A", json!({}))]);
    assert!(matches!(error, Err(SchemaError::Twice(_))));
    let deep = (0..SCHEMA_DEPTH_MAX).fold(json!({}), |inner, _| json!({"not": inner}));
    assert!(matches!(
        models(&[("A", deep)]),
        Err(SchemaError::TooDeep(_))
    ));
    let many: Vec<(String, Value)> = (0..=MODELS_MAX)
        .map(|at| (format!("M{at}"), json!({})))
        .collect();
    let error = Models::new(many.iter().map(|(name, schema)| (name.as_str(), schema)));
    assert!(matches!(error, Err(SchemaError::TooManyModels)));
}

#[test]
fn draft_4_is_what_counts() {
    check(
        json!({"exclusiveMinimum": true, "minimum": 1}),
        json!(2),
        "",
    );
    check(json!({"const": 1, "if": {}, "contains": {}}), json!(2), "");
    check(json!({"type": "integer"}), json!(3), "");
    assert!(
        only(json!({"format": "ipv4"}))
            .validate(&json!("x"))
            .is_err()
    );
    check(
        json!({"format": "int32", "discriminator": "x"}),
        json!("x"),
        "",
    );
}
