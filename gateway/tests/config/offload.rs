//! Whom the kernel may be told to keep out, and who is spared of that.

use gateway::config::load_text;
use gateway::model::offloaded;

use crate::site::Site;

/// The ranges that are handed to the kernel where an API denies these.
fn ranges(denied: &str, listener: &str, lists: &str) -> Vec<String> {
    let statement = |effect: &str, condition: &str| {
        format!(
            "{{Effect: {effect}, Principal: '*', Action: 'execute-api:Invoke', \
             Resource: 'execute-api:/*'{condition}}}"
        )
    };
    let condition = format!(", Condition: {{IpAddress: {{'aws:SourceIp': [{denied}]}}}}");
    let text = format!(
        "listeners: {{l: {{address: '192.0.2.1:80', kernel_offload: true{listener}}}}}
lists: {{{lists}}}
upstreams: {{u: {{url: 'http://127.0.0.1:9000'}}}}
apis:
  a:
    type: rest
    stages: {{prod: {{}}}}
    policy: {{Statement: [{}, {}]}}
    routes: {{GET /: {{authorizer: none, integration: {{upstream: u}}}}}}
",
        statement("Allow", ""),
        statement("Deny", &condition),
    );
    let site = Site::new();
    let loaded = load_text("g.yaml", &text, site.path());
    let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
    let ranges = offloaded(&loaded.gateway).expect("nothing hinders it");
    ranges.iter().map(ToString::to_string).collect()
}

#[test]
fn trusted_proxies_and_management_are_never_kept_out() {
    let proxies = ", trusted_proxies: ['198.51.100.128/26']";
    let announcing = ", proxy_protocol: {from: ['198.51.100.128/26']}";
    let management = "management: ['198.51.100.0/25', '2001:db8::/33']";
    let denied = "'198.51.100.0/24', '2001:db8::/32', '203.0.113.7/32'";
    let (host, all, half) = ("203.0.113.7/32", "2001:db8::/32", "2001:db8:8000::/33");
    for (listener, lists, expected) in [
        ("", "", &["198.51.100.0/24", host, all][..]),
        (
            proxies,
            "",
            &["198.51.100.0/25", "198.51.100.192/26", host, all],
        ),
        (
            announcing,
            "",
            &["198.51.100.0/25", "198.51.100.192/26", host, all],
        ),
        ("", management, &["198.51.100.128/25", host, half]),
        (proxies, management, &["198.51.100.192/26", host, half]),
    ] {
        assert_eq!(
            ranges(denied, listener, lists),
            expected,
            "{listener} {lists}"
        );
    }
}
