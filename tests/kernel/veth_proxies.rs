//! Behind a balancer the kernel sees one source, which it spares; whom it stands for is judged by the
//! gateway.

use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::client::{Answer, get, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::netns::{CLIENT, OTHER, Site, family};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

/// Three connections at once, and hardly one more ever.
fn scarce() -> Value {
    json!({"rate": 0.001, "burst": 3})
}

/// What `client` gets by way of `balancer`, which announces it.
async fn announced(site: &Site, balancer: &str, client: &str) -> std::io::Result<Answer> {
    let target = Site::target(balancer);
    let mut stream = site.dial(balancer, target).await?;
    let protocol = if target.is_ipv4() { "TCP4" } else { "TCP6" };
    let server = target.ip();
    let header = format!("PROXY {protocol} {client} {server} 40000 443\r\n");
    stream.write_all(header.as_bytes()).await?;
    Ok(site.client_over(stream).await?.get("/open").await)
}

fn count(site: &Site, verdict: Verdict, reason: Reason, source: &str) -> u64 {
    site.counted().of(verdict, reason, family(source))
}

async fn listed(gateway: &Gateway, name: &str) -> Value {
    let answer = gateway.admin(r#"{"do":"lists"}"#).await;
    let lists = answer.get("lists").and_then(Value::as_array).cloned();
    let mut lists = lists.unwrap_or_default().into_iter();
    lists.find(|list| list["name"] == name).unwrap_or_default()
}

#[tokio::test]
async fn a_balancer_is_spared_in_the_kernel_and_whom_it_announces_is_judged() {
    let Some(site) = or_skip(Site::new("balancer").await) else {
        return;
    };
    let clients = [
        ["198.51.100.1", "198.51.100.2", "198.51.100.3"],
        ["2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1"],
    ];
    let mut setup = site
        .setup()
        .set(&["xdp", "connections_per_source"], scarce());
    for (listener, balancer) in ["four", "six"].into_iter().zip(CLIENT) {
        let path = ["listeners", listener, "proxy_protocol", "from"];
        setup.change(&path, json!([balancer]));
    }
    let gateway = site.start(setup).await;
    let config = gateway.config_path().display().to_string();
    let level = site.level();
    for ((balancer, other), [free, denied, greedy]) in CLIENT.into_iter().zip(OTHER).zip(clients) {
        // Neither its own rate nor a denial of the balancer concerns those behind it.
        drop(site.succeed(&["deny", "add", balancer, "--config", &config]));
        drop(site.succeed(&["deny", "add", denied, "--config", &config]));
        let before = count(&site, Verdict::Pass, Reason::Allowed, balancer);
        for _ in 0..3 {
            assert_eq!(announced(&site, balancer, free).await.unwrap().status, 200);
            assert_eq!(
                announced(&site, balancer, greedy).await.unwrap().status,
                200
            );
            assert!(
                announced(&site, balancer, denied).await.is_err(),
                "{denied}"
            );
        }
        assert!(
            announced(&site, balancer, greedy).await.is_err(),
            "{greedy}"
        );
        let fourth = if family(balancer) == family(CLIENT[0]) {
            "198.51.100.200"
        } else {
            "2001:db8:4::1"
        };
        assert_eq!(
            announced(&site, balancer, fourth).await.unwrap().status,
            200
        );
        // Every packet of it went by the list; none was dropped.
        assert!(count(&site, Verdict::Pass, Reason::Allowed, balancer) >= before + 11);
        // Who comes without a balancer is limited by the kernel, as ever.
        for _ in 0..3 {
            assert!(site.reaches(other).await);
        }
        assert!(!site.reaches(other).await);
        assert!(count(&site, Verdict::Drop, Reason::ConnectionRate, other) > 0);
    }
    assert!(site.account(&level).await > 0);
    let denials =
        |record: &Value| record["reason"] == "denied" && record["announced"] != Value::Null;
    drop(gateway.record("a denial", denials).await);
    let limited =
        |record: &Value| record["reason"] == "rate_limited" && record["announced"] != Value::Null;
    drop(gateway.record("a limit", limited).await);
    let proxies = listed(&gateway, "proxies").await;
    assert_eq!(
        (&proxies["action"], &proxies["entries"]),
        (&json!("exempt"), &json!(2))
    );
    assert!(proxies["packets"].as_u64() > Some(22), "{proxies}");
}

#[tokio::test]
async fn a_trusted_proxy_is_spared_from_a_reload_on_and_until_another() {
    let Some(site) = or_skip(Site::new("trusted").await) else {
        return;
    };
    let setup = site
        .setup()
        .set(&["xdp", "connections_per_source"], scarce());
    let mut gateway = site.start(setup).await;
    let config = gateway.config_path().display().to_string();
    let [proxy, _] = CLIENT;
    drop(site.succeed(&["deny", "add", proxy, "--config", &config]));
    drop(site.succeed(&["deny", "add", "198.51.100.2", "--config", &config]));
    assert!(!site.reaches(proxy).await);
    let path = ["listeners", "four", "trusted_proxies"];
    gateway.setup().change(&path, json!([proxy]));
    assert_eq!(gateway.reload().await["answer"], "done");
    let client = site.client(proxy).await.unwrap();
    for (behind, status) in [("198.51.100.2", 403), ("198.51.100.3", 200)] {
        let request = with(get("/open"), &[("x-forwarded-for", behind)]);
        assert_eq!(client.send(request).await.status, status, "{behind}");
    }
    for _ in 0..5 {
        assert!(site.reaches(proxy).await);
    }
    gateway.setup().remove(&path);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert!(!site.reaches(proxy).await);
}

/// The exemption of the kernel is for an address; who it is a proxy of is known to the gateway.
#[tokio::test]
async fn a_proxy_of_one_listener_is_limited_at_another_by_the_gateway() {
    let Some(site) = or_skip(Site::new("elsewhere").await) else {
        return;
    };
    let [source, _] = CLIENT;
    let setup = site
        .setup()
        .set(&["xdp", "connections_per_source"], scarce())
        .set(&["listeners", "six", "trusted_proxies"], json!([source]));
    let gateway = site.start(setup).await;
    for _ in 0..3 {
        assert_eq!(site.call(source, "/open").await.status, 200);
    }
    assert!(site.client(source).await.is_err());
    let limited = |record: &Value| record["reason"] == "rate_limited";
    let record = gateway.record("a limit", limited).await;
    assert_eq!(record["kind"], "connection");
    let config = gateway.config_path().display().to_string();
    drop(site.succeed(&["deny", "add", source, "--config", &config]));
    assert!(site.client(source).await.is_err());
    assert_eq!(gateway.reason("denied").await["kind"], "connection");
}
