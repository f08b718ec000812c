//! How services of AWS are called.

use super::Lowering;
use super::identity::is_label;
use super::upstream::{target, url_without_query};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written::{self, AwsCredentialSource};
use crate::model::{Aws, AwsService, AwsTarget, CredentialSource, Remote};

/// Lowers the section `aws`.
pub(super) fn lower(written: Option<&written::Aws>, cx: &mut Lowering<'_>) -> Option<Aws> {
    let at = cx.root.key("aws");
    let written = written?;
    if !is_label(&written.region) {
        let shown = shortened(&written.region);
        let message = format!(
            "`{shown}` is not a region: write 1 to 63 lower-case letters, digits and `-`, such as \
             `eu-west-1`"
        );
        cx.error(&at.key("region"), message);
    }
    let endpoints = at.key("endpoints");
    let urls = &written.endpoints;
    let urls = [
        (AwsService::Lambda, &urls.lambda),
        (AwsService::DynamoDb, &urls.dynamodb),
        (AwsService::VerifiedPermissions, &urls.verifiedpermissions),
    ];
    let urls = urls.into_iter().filter_map(|(service, url)| {
        let remote = endpoint(url.as_deref()?, &endpoints.key(service.name()), cx);
        Some((service, remote?))
    });
    Some(Aws {
        region: written.region.clone(),
        endpoints: urls.collect(),
        credentials: credentials(&written.credentials, &at.key("credentials"), cx),
    })
}

impl Lowering<'_> {
    /// Where the setting at `at` finds `service`: in `region`, or where everything is; `None` where the
    /// configuration does not say how services are called, which was reported.
    pub(super) fn aws_target(
        &mut self,
        service: AwsService,
        region: Option<&str>,
        at: &Cursor<'_>,
    ) -> Option<AwsTarget> {
        if let Some(aws) = &self.aws {
            return Some(aws.target(service, region));
        }
        // One with mistakes was reported where it stands.
        if !self.root.key("aws").is_written() {
            let message = "this is asked of AWS, and nothing says how that is called: write the \
                           section `aws` with a `region`";
            self.error(at, message);
        }
        None
    }
}

fn endpoint(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<Remote> {
    let url = url_without_query(written, "the endpoint of a service has no query", at, cx)?;
    Some(Remote {
        origin: target(&url)?,
        path: format!("{}/", url.path().trim_end_matches('/')),
    })
}

/// Longest name of a profile.
const PROFILE_BYTES_MAX: usize = 128;

fn credentials(
    written: &written::AwsCredentials,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> CredentialSource {
    let is_profile = matches!(written.source, Some(AwsCredentialSource::Profile));
    if written.profile.is_some() && !is_profile {
        let message = "a profile is only looked for with `source: profile`: write that, or take this \
                       out";
        cx.error_at_key(&at.key("profile"), message);
    }
    let name = written.profile.as_deref();
    if name.is_some_and(|name| name.is_empty() || name.len() > PROFILE_BYTES_MAX) {
        let message = "a profile has a name of 1 to 128 bytes: write that, or take this out";
        cx.error(&at.key("profile"), message);
    }
    match written.source {
        None | Some(AwsCredentialSource::Auto) => CredentialSource::Auto,
        Some(AwsCredentialSource::Environment) => CredentialSource::Environment,
        Some(AwsCredentialSource::Profile) => CredentialSource::Profile(written.profile.clone()),
        Some(AwsCredentialSource::Container) => CredentialSource::Container,
        Some(AwsCredentialSource::InstanceMetadata) => CredentialSource::InstanceMetadata,
    }
}
