use super::*;
use crate::model::CredentialSource;
use crate::store::kept::Perishable as _;

#[test]
fn parts_are_judged_and_never_shown() {
    let whole = Credentials::new("AKIDEXAMPLE", "hidden/+=", Some("hidden-too"), Some(10));
    let whole = whole.unwrap();
    assert!(!format!("{whole:?}").contains("hidden"));
    assert!(whole.session_token().unwrap().is_sensitive());
    assert!(whole.is_good(9) && !whole.is_good(10));
    for (id, secret, token, expected) in [
        ("", "s", None, MalformedCredentials::AccessKeyId),
        ("A/B", "s", None, MalformedCredentials::AccessKeyId),
        ("A, B", "s", None, MalformedCredentials::AccessKeyId),
        ("A", "", None, MalformedCredentials::Secret),
        ("A", "s\n", None, MalformedCredentials::Secret),
        ("A", "s", Some(""), MalformedCredentials::SessionToken),
        ("A", "s", Some("a\r\nb"), MalformedCredentials::SessionToken),
    ] {
        assert_eq!(Credentials::new(id, secret, token, None), Err(expected));
    }
}

/// A directory with these files, and the variables that lead to them.
fn files(credentials: &str, config: &str) -> (tempfile::TempDir, Environment) {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join(".aws");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("credentials"), credentials).unwrap();
    std::fs::write(home.join("config"), config).unwrap();
    let environment = Environment::of(&[("HOME", directory.path().to_str().unwrap())]);
    (directory, environment)
}

fn id_of(source: Result<Source, SourceError>) -> String {
    match source {
        Ok(Source::Fixed(credentials)) => credentials.access_key_id().to_owned(),
        Ok(Source::Server(Server::Container { url, .. })) => {
            format!(
                "container {}:{}{}",
                url.origin.host, url.origin.port, url.path
            )
        }
        Ok(Source::Server(Server::Instance { url })) => {
            format!(
                "instance {}:{}{}",
                url.origin.host, url.origin.port, url.path
            )
        }
        Err(error) => format!("{:#}", anyhow::Error::from(error)),
    }
}

#[test]
fn profiles_are_found_as_the_command_line_finds_them() {
    const CREDENTIALS: &str = "\
# a comment
[default]
aws_access_key_id = AKIDDEFAULT
aws_secret_access_key=secret
nested =
  inner = value

[ work ]
aws_access_key_id = AKIDOLD
aws_access_key_id = AKIDWORK
aws_secret_access_key = secret/+=
aws_session_token = token==

[half]
aws_access_key_id = AKIDHALF
[spaced]
aws_access_key_id = AKIDSPACED
aws_secret_access_key = two words
";
    const CONFIG: &str = "\
[profile work]
aws_access_key_id = AKIDCONFIG
aws_secret_access_key = secret
[profile other]
region = eu-west-1
aws_access_key_id = AKIDOTHER
aws_secret_access_key = secret
[profile role]
role_arn = arn:aws:iam::111122223333:role/who
source_profile = default
[profile only-a-region]
region = eu-west-1
";
    let (_directory, environment) = files(CREDENTIALS, CONFIG);
    for (profile, expected) in [
        (None, "AKIDDEFAULT"),
        (Some("work"), "AKIDWORK"),
        (Some("other"), "AKIDOTHER"),
        (
            Some("half"),
            "profile: the profile `half` has no `aws_secret_access_key`",
        ),
        (
            Some("spaced"),
            "profile: the profile `spaced` has keys that cannot be used: the secret access key is empty, \
             too long, or not of visible ASCII characters",
        ),
        (
            Some("role"),
            "profile: the profile `role` takes its keys from `role_arn`, which is not supported: write \
             its keys into the file, or choose another source",
        ),
        (
            Some("only-a-region"),
            "neither the credentials file nor the configuration file has keys of a profile \
             `only-a-region`",
        ),
    ] {
        let wanted = CredentialSource::Profile(profile.map(str::to_owned));
        assert_eq!(id_of(Source::find(&wanted, &environment)), expected);
    }
}

#[test]
fn a_file_that_is_named_has_to_be_one() {
    let (directory, environment) = files("[default]\nnonsense\n", "");
    let found = id_of(Source::find(&CredentialSource::Profile(None), &environment));
    let expected = "credentials:2: this is neither `[profile]` nor `name = value`";
    assert!(found.ends_with(expected), "{found}");

    let missing = directory.path().join("missing");
    let named = [("AWS_SHARED_CREDENTIALS_FILE", missing.to_str().unwrap())];
    let found = id_of(Source::find(
        &CredentialSource::Auto,
        &Environment::of(&named),
    ));
    assert!(found.contains("missing` cannot be read"), "{found}");

    let large = directory.path().join("large");
    std::fs::write(
        &large,
        vec![b'#'; 1 + usize::try_from(FILE_BYTES_MAX).unwrap()],
    )
    .unwrap();
    let named = [("AWS_CONFIG_FILE", large.to_str().unwrap())];
    let found = id_of(Source::find(
        &CredentialSource::Auto,
        &Environment::of(&named),
    ));
    assert!(found.contains("it has more than 1048576 bytes"), "{found}");
}

#[test]
fn the_first_place_that_is_set_up_counts_and_none_is_passed_over() {
    const KEYS: [(&str, &str); 2] = [
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    const CONTAINER: (&str, &str) = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x?y=z");
    const OFF: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "TRUE");
    for (variables, expected) in [
        (vec![KEYS[0], KEYS[1], CONTAINER], "AKIDENV"),
        (
            vec![KEYS[0], CONTAINER],
            "the environment variable `AWS_SECRET_ACCESS_KEY` is not set",
        ),
        (
            vec![KEYS[1], CONTAINER],
            "the environment variable `AWS_ACCESS_KEY_ID` is not set",
        ),
        (
            vec![("AWS_ACCESS_KEY_ID", ""), CONTAINER],
            "container 169.254.170.2:80/v2/x?y=z",
        ),
        (
            vec![("AWS_PROFILE", "who"), CONTAINER],
            "neither the credentials file nor the configuration file has keys of a profile `who`",
        ),
        (
            vec![("AWS_WEB_IDENTITY_TOKEN_FILE", "/x"), CONTAINER],
            "`AWS_WEB_IDENTITY_TOKEN_FILE` is set, and web identities are not supported: say under \
             `aws.credentials.source` where the credentials are instead",
        ),
        (vec![], "instance 169.254.169.254:80/"),
        (
            vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6")],
            "instance fd00:ec2::254:80/",
        ),
        (
            vec![(
                "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                "http://127.0.0.1:8080/x",
            )],
            "instance 127.0.0.1:8080/x",
        ),
        (
            vec![("AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254")],
            "the environment variable `AWS_EC2_METADATA_SERVICE_ENDPOINT` is not a URL that can be \
             asked: write `http://host`",
        ),
        (
            vec![OFF],
            "there are no credentials: neither the environment nor a file has any, no container gives \
             them out, and `AWS_EC2_METADATA_DISABLED` forbids to ask the instance",
        ),
    ] {
        let environment = Environment::of(&variables);
        let found = id_of(Source::find(&CredentialSource::Auto, &environment));
        assert_eq!(found, expected, "{variables:?}");
    }
}

#[test]
fn containers_are_asked_in_plaintext_only_nearby() {
    const URL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    for (url, expected) in [
        (
            "http://127.0.0.1:51679/creds",
            "container 127.0.0.1:51679/creds",
        ),
        (
            "http://[fd00:ec2::23]/v1/credentials",
            "container fd00:ec2::23:80/v1/credentials",
        ),
        (
            "https://creds.example.com/x",
            "container creds.example.com:443/x",
        ),
        (
            "http://creds.example.com/x",
            "the environment variable `AWS_CONTAINER_CREDENTIALS_FULL_URI` is not a URL that can be asked: \
             in plaintext only this host and the agents of ECS and EKS are asked",
        ),
        (
            "http://user:hidden@127.0.0.1/",
            "the environment variable `AWS_CONTAINER_CREDENTIALS_FULL_URI` is not a URL that can be asked: \
             write `http://host/path`",
        ),
    ] {
        let environment = Environment::of(&[(URL, url)]);
        let found = id_of(Source::find(&CredentialSource::Container, &environment));
        assert_eq!(found, expected);
    }
}

#[test]
fn no_source_shows_a_secret() {
    let environment = Environment::of(&[
        ("AWS_ACCESS_KEY_ID", "AKIDENV"),
        ("AWS_SECRET_ACCESS_KEY", "hidden"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hidden"),
    ]);
    for wanted in [CredentialSource::Environment, CredentialSource::Container] {
        let source = Source::find(&wanted, &environment).unwrap();
        assert!(!format!("{source:?}").contains("hidden"));
    }
    assert!(!format!("{environment:?}").contains("hidden"));
}

#[test]
fn documents_are_credentials_or_say_why_not() {
    let whole = r#"{"Code":"Success","AccessKeyId":"AKID","SecretAccessKey":"s","Token":"t",
        "Expiration":"2026-01-02T03:04:05Z","Type":"AWS-HMAC"}"#;
    let credentials = document::read(whole.as_bytes()).unwrap();
    assert_eq!(credentials.expires_at(), Some(1_767_323_045));
    for (document, expected) in [
        (
            "hidden",
            "it is no JSON object with `AccessKeyId`, `SecretAccessKey` and `Token`",
        ),
        (
            r#"{"AccessKeyId":"AKID"}"#,
            "it is no JSON object with `AccessKeyId`, `SecretAccessKey` and `Token`",
        ),
        (
            r#"{"Code":"Failed"}"#,
            "it says `Failed` instead of success",
        ),
        (
            r#"{"AccessKeyId":"A","SecretAccessKey":"hidden","Expiration":"soon"}"#,
            "its `Expiration` is no point in time such as `2026-01-31T12:00:00Z`",
        ),
        (
            r#"{"AccessKeyId":"A","SecretAccessKey":"hidden words"}"#,
            "the secret access key is empty, too long, or not of visible ASCII characters",
        ),
    ] {
        let refused = document::read(document.as_bytes()).unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }
}
