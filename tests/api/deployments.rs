//! What stages serve: deployments, rollbacks and canaries, through reloads and restarts.

use gateway_tests::client::Client;
use gateway_tests::command::{ask, refused, run, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::{Setup, mock};
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

/// A REST API of one mock that says `text`, with two stages of which `held` does not follow the
/// file.
fn setup() -> Setup {
    let mut setup = Setup::new()
        .set(&["apis", "main", "type"], json!("rest"))
        .set(
            &["apis", "main", "stages"],
            json!({
                "prod": {"variables": {"greeting": "hello"}},
                "held": {"auto_deploy": false, "variables": {"greeting": "hello"}},
            }),
        );
    say(&mut setup, "one");
    setup
}

fn say(setup: &mut Setup, text: &str) {
    setup.change(&["apis", "main", "routes"], json!({"GET /say": mock(text)}));
}

#[track_caller]
fn said(answer: &gateway_tests::client::Answer, text: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (200, text));
}

async fn changed(gateway: &mut Gateway, text: &str) -> String {
    say(gateway.setup(), text);
    drop(gateway.setup().write());
    let answer = gateway.reload().await;
    assert_eq!(answer["answer"], "done", "{answer}");
    answer["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_stage_follows_its_file_until_it_is_rolled_back_and_again_when_that_changes() {
    let mut gateway = Gateway::start(setup()).await;
    let client = Client::http1(gateway.address().await).await;
    said(&client.get("/prod/say").await, "one");
    assert_eq!(gateway.path("/prod/say").await["deployment"], 1);

    let message = changed(&mut gateway, "two").await;
    assert_eq!(
        message,
        "configuration reloaded, generation 2; deployment 2 of `main` was made; the stage `prod` \
         of `main` serves deployment 2"
    );
    said(&client.get("/prod/say").await, "two");
    // What does not deploy by itself waits for an order.
    said(&client.get("/held/say").await, "one");

    let rolled = ask(&gateway, &["rollback", "main", "--stage", "prod"]).await;
    assert_eq!(
        told(&rolled),
        "the stage `prod` of `main` serves deployment 1 instead of 2; generation 3"
    );
    said(&client.get("/prod/say").await, "one");
    // An unchanged file moves nothing, however often it is read.
    let message = changed(&mut gateway, "two").await;
    assert_eq!(message, "configuration reloaded, generation 4");
    said(&client.get("/prod/say").await, "one");

    // Also not after a crash and a start.
    let mut gateway = Gateway::start(gateway.kill().await).await;
    let client = Client::http1(gateway.address().await).await;
    said(&client.get("/prod/say").await, "one");
    changed(&mut gateway, "three").await;
    said(&client.get("/prod/say").await, "three");
    said(&client.get("/held/say").await, "one");
}

#[tokio::test]
async fn what_is_deployed_by_hand_serves_the_stage_that_was_named() {
    let mut gateway = Gateway::start(setup()).await;
    let client = Client::http1(gateway.address().await).await;
    // The file is read for it.
    say(gateway.setup(), "two");
    drop(gateway.setup().write());
    let deployed = ask(
        &gateway,
        &[
            "deploy",
            "main",
            "--stage",
            "held",
            "--description",
            "a try",
        ],
    )
    .await;
    assert_eq!(
        told(&deployed),
        "deployment 2 of `main` was made; the stage `prod` of `main` serves deployment 2; the \
         stage `held` of `main` serves deployment 2; generation 2"
    );
    said(&client.get("/held/say").await, "two");
    let listed = told(&ask(&gateway, &["deployments", "main", "--json"]).await);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[1]["description"], "a try");
    assert_eq!(listed[1]["stages"], json!(["held", "prod"]));
    assert_eq!(listed[0]["stages"], json!([]));
    let table = told(&ask(&gateway, &["deployments", "main"]).await);
    assert!(
        table.lines().nth(2).unwrap().contains("held,prod"),
        "{table}"
    );

    // The same again is no other deployment.
    let again = told(&ask(&gateway, &["deploy", "main"]).await);
    assert_eq!(
        again,
        "deployment 2 of `main` is what the file says; generation 3"
    );
    for (arguments, expected) in [
        (
            &["deploy", "none"][..],
            "error: there is no API `none`: there is only `main`",
        ),
        (
            &["deploy", "main", "--stage", "beta"],
            "error: the API `main` has no stage `beta`: choose from `prod`, `held`; a new one is \
             written under `stages` of the API",
        ),
        (
            &["rollback", "main", "--stage", "held", "--to", "9"],
            "error: the API `main` has no deployment 9: `gateway deployments main` lists them",
        ),
        (
            &["rollback", "main", "--stage", "held", "--to", "2"],
            "error: the stage `held` serves deployment 2 already",
        ),
        (
            &["canary", "stop", "main", "--stage", "held"],
            "error: the stage `held` of `main` has no canary: `gateway deploy main --stage held \
             --canary PERCENT` makes one",
        ),
        (
            &["deploy", "main", "--stage", "held", "--canary", "101"],
            "error: `101` is not a percentage: write 0 to 100 with at most four decimals, such as \
             `2.5`",
        ),
    ] {
        let output = ask(&gateway, arguments).await;
        assert_eq!(refused(&output), expected);
    }
}

#[tokio::test]
async fn a_file_that_is_wrong_keeps_nothing_from_being_rolled_back_and_deploys_nothing() {
    let mut gateway = Gateway::start(setup()).await;
    let client = Client::http1(gateway.address().await).await;
    changed(&mut gateway, "two").await;
    gateway
        .setup()
        .change(&["apis", "main", "routs"], json!({}));
    drop(gateway.setup().write());
    let output = ask(&gateway, &["deploy", "main", "--stage", "prod"]).await;
    assert!(refused(&output).contains("did you mean `routes`"));
    said(&client.get("/prod/say").await, "two");
    // All that needs no definition goes on, beside a gateway whose directories only the file names.
    let rolled = ask(&gateway, &["rollback", "main", "--stage", "prod"]).await;
    assert_eq!(
        told(&rolled),
        "the stage `prod` of `main` serves deployment 1 instead of 2; generation 3"
    );
    said(&client.get("/prod/say").await, "one");
    for arguments in [
        &["status"][..],
        &["deployments", "main"],
        &["diff", "main", "1", "2"],
        &["stats"],
        &["deny", "list"],
    ] {
        drop(told(&ask(&gateway, arguments).await));
    }

    // Also where it cannot even be read as YAML, and while no gateway runs.
    let directory = gateway.setup().directory().display().to_string();
    let broken = format!(
        "runtime_directory: {directory}/run\nstate_directory: {directory}/state\napis: {{\n"
    );
    std::fs::write(gateway.config_path(), &broken).unwrap();
    let back = ["rollback", "main", "--stage", "prod", "--to", "2"];
    drop(told(&ask(&gateway, &back).await));
    said(&client.get("/prod/say").await, "two");
    let output = ask(&gateway, &["deploy", "main", "--stage", "prod"]).await;
    assert!(refused(&output).contains("gateway.yaml:"));
    let config = gateway.config_path();
    let _setup = gateway.stop().await;
    let alone = run(
        &config,
        &["rollback", "main", "--stage", "prod", "--to", "1"],
    );
    drop(told(&alone));
    let errors = String::from_utf8(alone.stderr).unwrap();
    let unknown = "whether the next gateway can start with this is not known, because its \
                   configuration is refused:\n";
    assert!(errors.starts_with(unknown), "{errors}");
    let status = told(&run(&config, &["status", "--json"]));
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status[0]["stages"][1]["deployment"], 1);

    // What leads to a gateway has to be right, or another one would be changed.
    let misled = broken.replace("state_directory", "state_directry");
    std::fs::write(&config, misled).unwrap();
    let output = run(&config, &["rollback", "main", "--stage", "prod"]);
    assert!(refused(&output).contains("did you mean `state_directory`"));
}

#[tokio::test]
async fn an_order_that_the_next_start_would_fail_with_is_refused() {
    let setup = setup().upstream("old", "127.0.0.1:1".parse().unwrap());
    let mut gateway = Gateway::start(setup).await;
    let old = json!({"authorizer": "none", "integration": {"upstream": "old"}});
    gateway
        .setup()
        .change(&["apis", "main", "routes"], json!({"GET /say": old}));
    drop(gateway.setup().write());
    assert_eq!(gateway.reload().await["answer"], "done");
    changed(&mut gateway, "three").await;
    let mut setup = gateway.stop().await;
    setup.remove(&["upstreams", "old"]);
    let config = setup.write();
    let order =
        |stage: &str, to: &str| run(&config, &["rollback", "main", "--stage", stage, "--to", to]);
    let error = refused(&order("prod", "2"));
    assert!(error.contains("there is no upstream `old`"), "{error}");
    assert!(error.contains("it serves deployment 2"), "{error}");
    drop(told(&order("prod", "1")));

    // What fits no more already is put right order by order.
    setup = setup.upstream("old", "127.0.0.1:1".parse().unwrap());
    drop(setup.write());
    for stage in ["prod", "held"] {
        drop(told(&order(stage, "2")));
    }
    setup.remove(&["upstreams", "old"]);
    drop(setup.write());
    let first = order("prod", "3");
    assert_eq!(
        told(&first),
        "the stage `prod` of `main` serves deployment 3 instead of 2"
    );
    let errors = String::from_utf8(first.stderr).unwrap();
    let already = "no gateway starts with this configuration, with this order or without it:\n";
    assert!(errors.starts_with(already), "{errors}");
    drop(told(&order("held", "3")));

    // The file has changed: a start follows it.
    say(&mut setup, "four");
    drop(setup.write());
    let held = order("held", "1");
    drop(told(&held));
    let errors = String::from_utf8(held.stderr).unwrap();
    assert_eq!(
        errors,
        "the configuration has changed, and when a gateway starts with it deployment 4 of `main` was \
         made; the stage `prod` of `main` serves deployment 4\nno gateway is running: the next one \
         serves this\n"
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    said(&client.get("/prod/say").await, "four");
    said(&client.get("/held/say").await, "one");
}

#[tokio::test]
async fn orders_are_followed_while_no_gateway_runs() {
    let mut gateway = Gateway::start(setup()).await;
    changed(&mut gateway, "two").await;
    let setup = gateway.stop().await;
    let config = setup.write();
    let rolled = run(&config, &["rollback", "main", "--stage", "prod"]);
    assert_eq!(
        told(&rolled),
        "the stage `prod` of `main` serves deployment 1 instead of 2"
    );
    assert_eq!(
        String::from_utf8(rolled.stderr).unwrap(),
        "no gateway is running: the next one serves this\n"
    );
    let deployed = told(&run(&config, &["deploy", "main", "--stage", "held"]));
    assert_eq!(
        deployed,
        "deployment 2 of `main` is what the file says; the stage `held` of `main` serves deployment 2"
    );
    let status = told(&run(&config, &["status", "--json"]));
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status[0]["stages"][0]["stage"], "held");
    assert_eq!(status[0]["stages"][0]["deployment"], 2);
    assert_eq!(status[0]["stages"][0]["differs_from_file"], false);
    assert_eq!(status[0]["stages"][1]["deployment"], 1);
    assert_eq!(status[0]["stages"][1]["differs_from_file"], true);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    said(&client.get("/prod/say").await, "one");
    said(&client.get("/held/say").await, "two");
}

#[tokio::test]
async fn stages_of_http_apis_follow_their_file_or_wait_for_an_order() {
    let upstream = Upstream::echo().await;
    let address = upstream.address;
    let routes = |version: u32| {
        let uri = format!("http://{address}/v{version}");
        json!({"GET /say": {"authorizer": "none", "integration": {"uri": uri}}})
    };
    let setup = Setup::new()
        .set(&["apis", "main", "type"], json!("http"))
        .set(
            &["apis", "main", "stages"],
            json!({"$default": {}, "held": {"auto_deploy": false}}),
        )
        .set(&["apis", "main", "routes"], routes(1));
    let mut gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let serve = async |default: &str, held: &str| {
        for (path, version) in [("/say", default), ("/held/say", held)] {
            let answer = client.get(path).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.json()["uri"], version, "{path}");
        }
    };
    serve("/v1", "/v1").await;
    gateway
        .setup()
        .change(&["apis", "main", "routes"], routes(2));
    assert_eq!(gateway.reload().await["answer"], "done");
    serve("/v2", "/v1").await;
    let diff = told(&ask(&gateway, &["diff", "main", "--stage", "held"]).await);
    let expected = format!(
        "from deployment 1 to the configuration:\n~ GET /say\n    integration.uri: \
         http://{address}/v1 -> http://{address}/v2"
    );
    assert_eq!(diff, expected);

    drop(told(
        &ask(&gateway, &["deploy", "main", "--stage", "held"]).await,
    ));
    serve("/v2", "/v2").await;
    for stage in ["held", "$default"] {
        drop(told(
            &ask(&gateway, &["rollback", "main", "--stage", stage]).await,
        ));
    }
    serve("/v1", "/v1").await;
    // Which of them is meant has to be said.
    let output = ask(&gateway, &["rollback", "main", "--to", "2"]).await;
    assert_eq!(
        refused(&output),
        "error: name one of the stages of `main` with --stage: choose from `$default`, `held`"
    );
    // All that outlives a crash; a rollback ends where the file changes.
    let mut gateway = Gateway::start(gateway.kill().await).await;
    gateway
        .setup()
        .change(&["apis", "main", "routes"], routes(3));
    assert_eq!(gateway.reload().await["answer"], "done");
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/say").await.json()["uri"], "/v3");
    assert_eq!(client.get("/held/say").await.json()["uri"], "/v1");
    // What a stage served before is not the number before.
    let order = ["rollback", "main", "--stage", "$default"];
    assert_eq!(
        told(&ask(&gateway, &order).await),
        "the stage `$default` of `main` serves deployment 1 instead of 3; generation 3"
    );
}

#[tokio::test]
async fn a_file_in_another_order_deploys_nothing_and_ends_no_rollback() {
    let mut setup = setup();
    let text = |routes: [&str; 2]| {
        let route = |path: &&str| format!("{}: {}", json!(path), mock("two"));
        let routes: Vec<String> = routes.iter().map(route).collect();
        format!("{{{}}}", routes.join(", "))
    };
    // Keys of JSON of the harness have an order of their own.
    setup.change(&["apis", "main", "routes"], json!("ROUTES"));
    let template = std::fs::read_to_string(setup.write()).unwrap();
    let write = |routes: [&str; 2]| template.replace("\"ROUTES\"", &text(routes));
    let path = setup.directory().join("gateway.yaml");
    say(&mut setup, "one");
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let reloaded = async |gateway: &Gateway, routes| {
        std::fs::write(&path, write(routes)).unwrap();
        told(&ask(gateway, &["reload"]).await)
    };
    let message = reloaded(&gateway, ["GET /say", "GET /more"]).await;
    assert!(
        message.contains("deployment 2 of `main` was made"),
        "{message}"
    );
    drop(told(
        &ask(&gateway, &["rollback", "main", "--stage", "prod"]).await,
    ));
    said(&client.get("/prod/say").await, "one");
    let message = reloaded(&gateway, ["GET /more", "GET /say"]).await;
    assert_eq!(message, "configuration reloaded, generation 4");
    said(&client.get("/prod/say").await, "one");
    let same = told(&ask(&gateway, &["diff", "main", "2"]).await);
    assert_eq!(same, "deployment 2 and the configuration say the same");
}

#[tokio::test]
async fn the_only_stage_need_not_be_named() {
    let mut setup = setup();
    setup.remove(&["apis", "main", "stages", "held"]);
    let mut gateway = Gateway::start(setup).await;
    changed(&mut gateway, "two").await;
    assert_eq!(
        told(&ask(&gateway, &["rollback", "main"]).await),
        "the stage `prod` of `main` serves deployment 1 instead of 2; generation 3"
    );
    drop(told(
        &ask(
            &gateway,
            &["deploy", "main", "--stage", "prod", "--canary", "5"],
        )
        .await,
    ));
    assert_eq!(
        told(&ask(&gateway, &["canary", "stop", "main"]).await),
        "the stage `prod` of `main` serves deployment 1 alone; generation 5"
    );
}

#[tokio::test]
async fn a_difference_names_routes_and_what_of_them_changed() {
    let mut gateway = Gateway::start(setup()).await;
    let same = told(&ask(&gateway, &["diff", "main", "--stage", "held"]).await);
    assert_eq!(same, "deployment 1 and the configuration say the same");

    let mut said = mock("one");
    said["throttle"] = json!({"rate": 5, "burst": 10});
    said["integration"]["responses"]["default"]["status"] = json!(201);
    gateway.setup().change(
        &["apis", "main", "routes"],
        json!({"GET /say": said, "GET /new": mock("new")}),
    );
    gateway
        .setup()
        .change(&["apis", "main", "minimum_compression_size"], json!("1KiB"));
    drop(gateway.setup().write());
    // The file counts as it stands, before anything serves it.
    let expected = [
        "~ minimum_compression_size: (not written) -> 1KiB",
        "+ GET /new",
        "~ GET /say",
        "    integration.responses.default.status: 200 -> 201",
        "    throttle: (not written) -> {rate: 5, burst: 10}",
    ];
    let found = told(&ask(&gateway, &["diff", "main", "--stage", "held"]).await);
    let mut lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.remove(0), "from deployment 1 to the configuration:");
    assert_eq!(lines, expected, "{found}");

    let answer = gateway.reload().await;
    assert_eq!(answer["answer"], "done", "{answer}");
    let back = told(&ask(&gateway, &["diff", "main", "2", "1", "--json"]).await);
    let back: Value = serde_json::from_str(&back).unwrap();
    assert_eq!(back["routes_removed"], json!(["GET /new"]));
    assert_eq!(back["routes_changed"][0]["route"], "GET /say");
    assert_eq!(back["routes_added"], json!([]));

    let unknown = ask(&gateway, &["diff", "main", "1", "9"]).await;
    assert_eq!(
        refused(&unknown),
        "error: the API `main` has no deployment 9: `gateway deployments main` lists them"
    );
    // Also while no gateway runs.
    let setup = gateway.stop().await;
    let alone = told(&run(&setup.write(), &["diff", "main", "1", "2"]));
    assert!(
        alone.starts_with("from deployment 1 to deployment 2:"),
        "{alone}"
    );
}
