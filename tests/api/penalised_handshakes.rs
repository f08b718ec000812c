//! TLS handshakes of sources that are penalised.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use gateway_tests::abuse::{ask, limited, not_signed};
use gateway_tests::authority::Authority;
use gateway_tests::client::{Client, HOST_NAME, tls_over};
use gateway_tests::command::{ask as ask_command, told};
use gateway_tests::setup::Setup;
use gateway_tests::site::Site;
use gateway_tests::wait::{until, within};
use rustls::ClientConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

const SOURCE: &str = "127.0.0.7";

/// A gateway with TLS, and how it is reached.
struct Secured {
    site: Site,
    address: SocketAddr,
    trust: Arc<ClientConfig>,
}

impl Secured {
    /// Two handshakes of a source that is penalised may begin at once, and the next one after ten seconds.
    async fn start(mode: &str, further: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = Authority::new();
        let site = Site::start(|setup| {
            let certificate = authority.write_certificate(setup.directory(), "main", &[HOST_NAME]);
            let setup = setup.listener("tls", json!({"certificates": [certificate]}));
            let penalties = json!({
                "mode": mode, "offences": {"rate": 0.1, "burst": 1}, "first": "30s",
                "handshakes": {"rate": 0.1, "burst": 2},
            });
            further(limited(setup, penalties).route("GET /mine", json!({"authorizer": "main"})))
        });
        let site = site.await;
        let address = site.gateway.address().await;
        let trust = authority.client(&["http/1.1"]);
        Self {
            site,
            address,
            trust,
        }
    }

    async fn handshake(&self, source: &str) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0))?;
        let stream = socket.connect(self.address).await?;
        tls_over(stream, &self.trust, HOST_NAME).await
    }

    /// Shows forged tokens until that is penalised.
    async fn penalise(&self) {
        let client = Client::over_tls(self.handshake(SOURCE).await.unwrap()).await;
        for _ in 0..2 {
            let answer = ask(&client, "/mine", &not_signed("ec", "victim")).await;
            assert_eq!(answer.unwrap().status, 401);
        }
    }

    async fn capped(&self) -> f64 {
        let metrics = self.site.gateway.metrics().await;
        metrics.get("gateway_connections_total{event=\"handshake_capped\"}")
    }
}

#[tokio::test]
async fn who_is_penalised_gets_so_many_and_those_that_authorized_requests_follow_count_for_nothing()
{
    let secured = Secured::start("enforce", |setup| setup).await;
    let gateway = &secured.site.gateway;
    secured.penalise().await;
    let is_it = |record: &Value| record["penalty"] == "slowed";
    drop(gateway.record("the penalty", is_it).await);
    let honest = secured.site.bearer(json!({"sub": "honest"}));
    for _ in 0..10 {
        let client = Client::over_tls(secured.handshake(SOURCE).await.unwrap()).await;
        // Only the first of its requests counts.
        for _ in 0..2 {
            let answer = ask(&client, "/mine", &honest).await.unwrap();
            assert_eq!(answer.status, 200);
        }
    }
    assert!(secured.handshake(SOURCE).await.is_ok());
    // A request that is refused proves nothing.
    let client = Client::over_tls(secured.handshake(SOURCE).await.unwrap()).await;
    assert_eq!(ask(&client, "/mine", "").await.unwrap().status, 401);
    for _ in 0..3 {
        let error = secured.handshake(SOURCE).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
    }
    assert!(secured.handshake("127.0.0.8").await.is_ok());
    let metrics = until("what is counted", || async {
        Some(secured.capped().await).filter(|capped| *capped >= 3.0)
    });
    assert!(metrics.await < 3.5);
    let record = gateway.reason("handshake_capped").await;
    assert_eq!(record["kind"], "connection");
    let told = gateway.records();
    let told = told.iter().filter(|it| it["reason"] == "handshake_capped");
    assert_eq!(told.count(), 1);
}

#[tokio::test]
async fn nobody_is_held_up_where_that_is_only_monitored_and_it_is_told() {
    let secured = Secured::start("monitor", |setup| setup).await;
    secured.penalise().await;
    for _ in 0..5 {
        assert!(secured.handshake(SOURCE).await.is_ok());
    }
    let gateway = &secured.site.gateway;
    let is_it = |record: &Value| record["monitored"] == "handshake_capped";
    let record = gateway.record("what would be", is_it).await;
    assert_eq!(
        (&record["kind"], &record["reason"]),
        (&json!("connection"), &Value::Null)
    );
    assert!(secured.capped().await < 0.5);
}

#[tokio::test]
async fn whoever_is_pardoned_or_exempt_is_let_in() {
    let mut secured = Secured::start("enforce", |setup| setup).await;
    secured.penalise().await;
    let handshakes = async |secured: &Secured, count: u32| {
        for _ in 0..count {
            if secured.handshake(SOURCE).await.is_err() {
                return false;
            }
        }
        true
    };
    assert!(!handshakes(&secured, 3).await);
    // A proxy that others stand behind, and those that may do everything.
    let exempt = [
        (
            vec!["listeners", "main", "trusted_proxies"],
            json!([SOURCE]),
        ),
        (vec!["lists", "management"], json!([SOURCE])),
    ];
    for (path, value) in exempt {
        secured.site.gateway.setup().change(&path, value);
        assert_eq!(secured.site.gateway.reload().await["answer"], "done");
        assert!(handshakes(&secured, 5).await, "{path:?}");
        secured.site.gateway.setup().remove(&path);
        assert_eq!(secured.site.gateway.reload().await["answer"], "done");
        assert!(!handshakes(&secured, 1).await, "{path:?}");
    }
    let pardon = ["penalties", "pardon", SOURCE];
    drop(told(&ask_command(&secured.site.gateway, &pardon).await));
    assert!(handshakes(&secured, 5).await);
}

#[tokio::test]
async fn who_is_cut_off_is_reset_and_not_told_that_tls_ends() {
    let secured = Secured::start("enforce", |setup| {
        setup.set(&["xdp", "penalties", "first"], json!("1s"))
    });
    let secured = secured.await;
    let stream = secured.handshake(SOURCE).await.unwrap();
    let (mut answers, mut requests) = tokio::io::split(stream);
    let request = format!(
        "GET /mine HTTP/1.1\r\nhost: {HOST_NAME}\r\nauthorization: {}\r\n\r\n",
        not_signed("ec", "victim")
    );
    let goes_on = async {
        while requests.write_all(request.as_bytes()).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        // Only what is read says how it ended.
        std::future::pending::<()>().await;
    };
    let ended = async {
        let mut answer = vec![0; 4_096];
        loop {
            match answers.read(&mut answer).await {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(error),
            }
        }
    };
    let error = within("the end", async {
        tokio::select! {
            error = ended => error,
            () = goes_on => None,
        }
    });
    let error = error.await.expect("no `close_notify`");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
    let record = secured.site.gateway.reason("penalised").await;
    assert_eq!(record["kind"], "connection");
}
