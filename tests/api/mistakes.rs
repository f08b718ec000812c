//! Mistakes in definitions beside a gateway that serves them: none of them changes what it serves.

use gateway_tests::client::{Client, get, nothing, request, with};
use gateway_tests::command::{ask, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::json;

use crate::fix::without_fix;
use crate::mutations::{HTTP, OF_HTTP, OF_REST, REST, Row};

const FILES_HOST: &str = "files.test";

/// A gateway with both definitions, and what tells whether it is untouched.
struct Served {
    gateway: Gateway,
    client: Client,
    /// Of both APIs, as they were first listed.
    deployments: String,
}

impl Served {
    async fn start(rest: &str, http: &str) -> Self {
        let setup = Setup::new()
            .set(
                &["apis", "pets"],
                json!({"definition": "pets.yaml", "stages": {"prod": {}}}),
            )
            .set(
                &["apis", "files"],
                json!({"definition": "files.yaml", "hosts": [FILES_HOST]}),
            );
        let _files = [
            setup.file("pets.yaml", rest),
            setup.file("files.yaml", http),
        ];
        let gateway = Gateway::start(setup).await;
        let client = Client::http1(gateway.address().await).await;
        let deployments = deployments(&gateway).await;
        Self {
            gateway,
            client,
            deployments,
        }
    }

    /// What is open is served, and what needs a token is not.
    async fn check(&self, what: &str) {
        let of_files = |path| with(get(path), &[("host", FILES_HOST)]);
        let alive = self.client.get("/prod/alive").await;
        assert_eq!(
            (alive.status, alive.text().as_str()),
            (200, "alive"),
            "{what}"
        );
        let secured = request(Method::POST, "/prod/pets/7", nothing());
        assert_eq!(self.client.send(secured).await.status, 401, "{what}");
        let default = self.client.send(of_files("/readme")).await;
        assert_eq!(default.status, 200, "{what}");
        assert_eq!(default.json()["uri"], "/all", "{what}");
        let secured = of_files("/pets/7");
        assert_eq!(self.client.send(secured).await.status, 401, "{what}");
        assert_eq!(deployments(&self.gateway).await, self.deployments, "{what}");
    }

    /// Makes each mistake in `name`, whose text is `sound`, and asks for it to be served.
    async fn refuse(&mut self, name: &str, sound: &str, rows: &[Row]) {
        for (from, to, place, expected) in rows {
            let what = format!("{from:?} -> {to:?}");
            let broken = sound.replacen(from, to, 1);
            assert_ne!(broken, sound, "{what}");
            drop(self.gateway.setup().file(name, &broken));
            let answer = self.gateway.reload().await;
            assert_eq!(answer["answer"], "refused", "{what}: {answer}");
            let message = answer["message"].as_str().unwrap();
            // The column may be that of the key or that of its value.
            let (place, _) = place.split_once(':').unwrap();
            let place = format!("{name}:{place}:");
            let is_told = |line: &str| line.contains(&place) && line.contains(expected);
            assert!(
                message.lines().any(is_told),
                "{what}: {place} {expected}\n{message}"
            );
            let of_file = message.lines().filter(|line| line.contains(name));
            assert_eq!(without_fix(of_file), Vec::<&str>::new(), "{what}");
            self.check(&what).await;
        }
        drop(self.gateway.setup().file(name, sound));
    }
}

/// What `gateway deployments` says of both APIs.
async fn deployments(gateway: &Gateway) -> String {
    let mut all = String::new();
    for api in ["pets", "files"] {
        all.push_str(&told(&ask(gateway, &["deployments", api, "--json"]).await));
    }
    all
}

#[tokio::test]
async fn no_mistake_in_a_definition_touches_what_is_served() {
    let upstream = Upstream::echo().await;
    let backend = format!("http://{}/all", upstream.address);
    let http = HTTP.replace("https://all.example.com/", &backend);
    let mut served = Served::start(REST, &http).await;
    served.check("before all").await;
    served.refuse("pets.yaml", REST, OF_REST).await;
    served.refuse("files.yaml", &http, OF_HTTP).await;

    let metrics = served.gateway.metrics().await;
    assert_eq!(metrics.get("gateway_snapshot_generation"), 1.0);
    let failed = metrics.get("gateway_reloads_total{outcome=\"failed\"}");
    assert!(failed >= 60.0, "{failed}");
    // What is sound again is served again.
    assert_eq!(served.gateway.reload().await["answer"], "done");
    served.check("behind all").await;
}
