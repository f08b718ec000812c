//! nginx as the upstream: the server that most backends stand behind.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use gateway_tests::client::{Client, get, pieces, request, whole};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::wait::until;
use http::Method;

use crate::program;

/// A running nginx. Dropping it ends it.
struct Nginx {
    process: Child,
    address: SocketAddr,
}

impl Nginx {
    async fn start(program: &Path, directory: &Path) -> Self {
        let address = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap()
        };
        std::fs::write(directory.join("large"), vec![b'x'; 4 << 20]).unwrap();
        let at = directory.display();
        let config = format!(
            "daemon off; master_process off; pid {at}/nginx.pid; error_log stderr;
             events {{}}
             http {{
               access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;
               fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
               server {{
                 listen {address}; root {at}; keepalive_requests 3;
                 location /text {{ return 200 \"host $http_host for $http_x_forwarded_for\"; }}
                 location /nothing {{ return 204; }}
                 location /away {{ return 302 http://elsewhere.test/; }}
                 location /put {{ client_max_body_size 64m; proxy_pass http://{address}/sink; }}
                 location /sink {{ return 200 \"$content_length\"; }}
                 location /large {{ }}
               }}
             }}"
        );
        let file = directory.join("nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(program);
        command
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(directory)
            .stderr(Stdio::inherit());
        let process = command.spawn().unwrap();
        until("nginx", || async {
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
        Self { process, address }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[tokio::test]
async fn it_serves_through_the_gateway() {
    let Some(program) = program("nginx") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let nginx = Nginx::start(&program, directory.path()).await;
    let gateway = Gateway::start(Setup::forwarding(nginx.address)).await;
    let address = gateway.address().await;
    for client in [Client::http1(address).await, Client::http2(address).await] {
        // It closes each connection after three requests: none may be lost to that.
        for _ in 0..20 {
            let answer = client.get("/text").await;
            assert_eq!(
                answer.text(),
                format!("host {} for 127.0.0.1", nginx.address)
            );
        }
        assert_eq!(client.get("/nothing").await.status, 204);
        let away = client.get("/away").await;
        assert_eq!(
            (away.status, away.header("location")),
            (302, "http://elsewhere.test/")
        );
        let large = client.get("/large").await;
        assert_eq!((large.status, large.body.len()), (200, 4 << 20));
        let head = client
            .send(request(
                Method::HEAD,
                "/large",
                gateway_tests::client::nothing(),
            ))
            .await;
        assert_eq!(
            (head.header("content-length"), head.body.len()),
            ("4194304", 0)
        );
        let unchanged =
            gateway_tests::client::with(get("/large"), &[("if-none-match", large.header("etag"))]);
        assert_eq!(client.send(unchanged).await.status, 304);
        assert_eq!(
            client.post("/put", whole(vec![b'y'; 1 << 20])).await.text(),
            "1048576"
        );
        let (feed, body) = pieces();
        let feeding = tokio::spawn(async move {
            for _ in 0..16 {
                feed.send(Bytes::from(vec![b'z'; 1 << 16])).await.unwrap();
            }
        });
        assert_eq!(client.post("/put", body).await.text(), "1048576");
        feeding.await.unwrap();
    }
}
