//! Configuration in the documentation.

use crate::files::repository;
use crate::site::{Site, accepted};

/// What stands in for the sections that a block of the documentation does not show.
const SECTIONS: &[(&str, &str)] = &[
    (
        "listeners:",
        "listeners: {public: {address: '127.0.0.1:8080'}}",
    ),
    (
        "upstreams:",
        "upstreams: {pets: {url: 'http://127.0.0.1:9000'}}",
    ),
    (
        "authorizers:",
        "authorizers: {main: {type: jwt, issuer: i, audiences: [a], algorithms: [ES256], \
         jwks: {file: keys.json}}}",
    ),
    (
        "policy_stores:",
        "policy_stores: {shop: {type: files, policies: [policies/shop.cedar], \
         schema: policies/shop.cedarschema, entities: policies/shop-roles.json}}",
    ),
    (
        "apis:",
        "apis: {pets: {type: http, routes: {$default: {authorizer: main, \
         integration: {upstream: pets}}}}}",
    ),
];

#[test]
fn every_block_of_the_documentation_is_accepted() {
    let site = Site::new();
    let text = std::fs::read_to_string(repository().join("docs/configuration.md")).unwrap();
    let blocks: Vec<&str> = text
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```").map(|(block, _)| block))
        .collect();
    assert!(blocks.len() >= 8, "{}", blocks.len());
    for block in blocks {
        let mut whole = block.to_owned();
        for (key, section) in SECTIONS {
            if !block.lines().any(|line| line.starts_with(key)) {
                whole.push_str(section);
                whole.push('\n');
            }
        }
        accepted("documented.yaml", &whole, &site);
    }
}
