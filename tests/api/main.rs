//! What the gateway promises its clients, end to end and without special rights.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail them by panicking, as tests do"
)]

mod forwarding;
#[cfg(test)]
mod behind_proxies;
#[cfg(test)]
mod proxy_protocol;
mod stages;
mod decisions;
mod never_stale;
mod deployment_failures;
mod deployments;
mod differing;
mod frozen_authorizers;
mod canaries;
mod domains;
mod routing_rules;
mod sizes;
mod rest;
mod rest_mock;
mod rest_http;
mod rest_binary;
mod rest_conformance;
mod rest_validation;
mod rest_codings;
mod rest_compression;
mod rest_mapping;
mod gateway_responses;
mod resource_policies;
mod authorization_flow;
mod order;
mod outages;
mod penalties;
mod penalised_handshakes;
mod penalties_http2;
mod policies;
mod policy_engines;
mod example_shapes;
mod verified_permissions;
mod lookups;
mod lookups_at_once;
mod tenants;
mod rest_routes;
mod http_routes;
mod rest_failures;
mod rest_cors;
mod headers;
mod context;
mod access_log_formats;
mod execution_log;
mod log_masks;
mod secrets;
mod semantics;
mod openapi;
#[path = "../../gateway/tests/config/fix.rs"]
mod fix;
#[path = "../../gateway/tests/config/mutations.rs"]
mod mutations;
mod mistakes;
mod explain;
mod export;
mod exported;
mod http_mapping;
mod http_cors;
mod bodies;
mod tokens;
mod forged_tokens;
mod user_pools;
mod watched;
mod aws_credentials;
mod renewed_credentials;
mod oauth_clients;
mod lookup_tokens;
mod function_authorizers;
mod function_events;
mod function_lambda;
mod explained_functions;
mod frozen_functions;
mod function_results;
mod iam;
mod access_key_files;
mod iam_policies;
mod rotation;
mod rotation_load;
mod throttle_headers;
mod throttles;
mod capacity;
mod shared_throttles;
mod concurrency;
mod bad_input;
mod http2;
mod lists;
mod hardening;
mod tls;
mod domain_tls;
mod mutual_tls;
mod private_endpoints;
mod exhaustion;
mod upstreams;
mod usage_plans;
mod backend_tls;
mod client_certificates;
mod sources;
mod reload;
mod served;
mod stop;
mod admin;
mod metrics;
