//! h2load: many requests at once, over one connection and over several.

use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;

use crate::program;

#[tokio::test]
async fn every_one_of_its_requests_is_answered_and_recorded() {
    let Some(program) = program("h2load") else {
        return;
    };
    let upstream = Upstream::echo().await;
    let gateway = Gateway::start(Setup::forwarding(upstream.address)).await;
    let address = gateway.address().await;
    for protocol in [&[][..], &["--h1"][..]] {
        let mut command = std::process::Command::new(&program);
        command
            .args([
                "--requests=2000",
                "--clients=8",
                "--max-concurrent-streams=16",
            ])
            .args(protocol);
        command.arg(format!("http://{address}/load"));
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            said.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"),
            "{said}"
        );
        assert!(said.contains("status codes: 2000 2xx"), "{said}");
    }
    assert_eq!(upstream.seen().requests, 4000);
    let records = gateway.all_records().await;
    assert_eq!(records.len(), 4000);
    assert!(
        records
            .iter()
            .all(|record| record["status"] == 200 && record.get("reason").is_none())
    );
}
