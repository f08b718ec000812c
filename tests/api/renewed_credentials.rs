//! What calls of AWS are signed with once a reload has found other keys.

use gateway::aws::sigv4::{Canonical, Claim, Secret, SignedRequest, SigningKey, payload_hash};
use gateway_tests::lambda::Asked;
use serde_json::json;

use crate::function_authorizers::ask;
use crate::function_lambda::Site;

/// A profile with this key.
fn profile(id: &str, secret: &str, token: Option<&str>) -> String {
    let token = token.map(|token| format!("aws_session_token = {token}\n"));
    format!(
        "[worker]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n{}",
        token.unwrap_or_default()
    )
}

/// The id of the key that signed, after a look at whether it was with this secret.
fn signer(asked: &Asked, secret: &str) -> String {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let claim = Claim::of(&asked.headers, query).unwrap();
    let request = SignedRequest {
        method: asked.method.as_str(),
        path,
        query,
        unsigned_parameter: None,
        headers: &asked.headers,
        authority: "",
        signed: &claim.signed_headers,
    };
    let canonical = Canonical::of(&request, &payload_hash(&asked.body)).unwrap();
    let to_sign = claim.scope.string_to_sign(&claim.signed_at, &canonical);
    let key = SigningKey::derive(&Secret::new(secret.to_owned()), &claim.scope);
    let id = claim.access_key_id.into_owned();
    assert!(key.verifies(&to_sign, &claim.signature), "{id}");
    id
}

/// A gateway whose functions are called with the keys of a profile, and whose results nobody
/// remembers.
async fn start(profile: &str) -> Site {
    Site::start(|setup| {
        let file = setup.file("credentials", profile).display().to_string();
        setup
            .set(
                &["aws", "credentials"],
                json!({"source": "profile", "profile": "worker"}),
            )
            .environment("AWS_SHARED_CREDENTIALS_FILE", &file)
    })
    .await
}

fn write(site: &mut Site, profile: &str) {
    drop(site.gateway.setup().file("credentials", profile));
}

/// Has either API call its function: each call is signed with this key.
async fn check(site: &Site, id: &str, secret: &str, token: Option<&str>) {
    for host in ["rest.test", "http.test"] {
        let before = site.lambda.asked().len();
        let answer = ask(&site.client, host, "/prod/a", "Bearer a").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let asked = site.lambda.asked();
        assert_eq!(asked.len(), before + 1, "each request is asked about");
        let asked = asked.last().unwrap();
        assert_eq!(signer(asked, secret), id);
        let shown = asked.headers.get("x-amz-security-token");
        assert_eq!(shown.map(|shown| shown.to_str().unwrap()), token);
    }
}

#[tokio::test]
async fn a_call_behind_a_reload_is_signed_with_the_key_that_it_found() {
    let mut site = start(&profile("AKIDONE", "secret-one", Some("token-one"))).await;
    check(&site, "AKIDONE", "secret-one", Some("token-one")).await;
    write(&mut site, &profile("AKIDTWO", "secret-two", None));
    check(&site, "AKIDONE", "secret-one", Some("token-one")).await;
    site.reload().await;
    check(&site, "AKIDTWO", "secret-two", None).await;
    // Of one name, but another secret.
    write(&mut site, &profile("AKIDTWO", "secret-three", None));
    site.reload().await;
    check(&site, "AKIDTWO", "secret-three", None).await;
    // From elsewhere, as the configuration says by now.
    let source = json!({"source": "environment"});
    site.gateway.setup().change(&["aws", "credentials"], source);
    site.reload().await;
    let own = ("AKIDGATEWAY", "only-the-gateway-knows", Some("its-session"));
    check(&site, own.0, own.1, own.2).await;
    let said = [site.gateway.log.all(), site.gateway.errors.all()].concat();
    assert!(!said.is_empty());
    for secret in ["secret-", "token-one", own.1, "its-session"] {
        let told = said.iter().find(|line| line.contains(secret));
        assert_eq!(told, None);
    }
}

#[tokio::test]
async fn a_reload_that_finds_no_key_is_refused_and_the_last_one_signs() {
    let mut site = start(&profile("AKIDONE", "secret-one", None)).await;
    let path = site.gateway.setup().directory().join("credentials");
    let half = "[worker]\naws_access_key_id = AKIDTWO\n";
    let role = "[worker]\nrole_arn = arn:aws:iam::111122223333:role/other\n";
    let wrong = profile("AKIDTWO", "secret two", None);
    for (content, said) in [
        (
            Some(half),
            "the profile `worker` has no `aws_secret_access_key`",
        ),
        (
            Some(role),
            "takes its keys from `role_arn`, which is not supported",
        ),
        (
            Some(&*wrong),
            "the profile `worker` has keys that cannot be used",
        ),
        (Some("[others]\n"), "`worker`"),
        (None, "/credentials` cannot be read"),
    ] {
        match content {
            Some(content) => write(&mut site, content),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let answer = site.gateway.reload().await;
        let message = answer["message"].to_string();
        assert_eq!(answer["answer"], "refused", "{answer}");
        assert!(message.contains("aws.credentials"), "{message}");
        assert!(message.contains(said), "{message}");
        assert!(!message.contains("secret two"), "{message}");
        check(&site, "AKIDONE", "secret-one", None).await;
    }
    write(&mut site, &profile("AKIDTWO", "secret-two", None));
    site.reload().await;
    check(&site, "AKIDTWO", "secret-two", None).await;
}
