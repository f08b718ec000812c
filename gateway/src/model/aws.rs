//! How services of AWS are called.

use std::collections::BTreeMap;

use super::{BackendTls, Remote, UpstreamTarget};

/// What calls of AWS have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aws {
    /// Where services are asked that do not say themselves where they are, such as `eu-west-1`.
    pub region: String,
    /// What calls are signed with.
    pub credentials: CredentialSource,
    /// Where services are that are not at their usual URLs.
    pub endpoints: BTreeMap<AwsService, Remote>,
}

/// Where credentials come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CredentialSource {
    /// The first of the others that is set up.
    #[default]
    Auto,
    /// Environment variables.
    Environment,
    /// The profile of this name in the files of the AWS command line; without a name the one that the
    /// environment names.
    Profile(Option<String>),
    /// The server that Amazon ECS or EKS gives a container.
    Container,
    /// The metadata of an instance of Amazon EC2.
    InstanceMetadata,
}

/// A service that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AwsService {
    /// AWS Lambda.
    Lambda,
    /// Amazon DynamoDB.
    DynamoDb,
    /// Amazon Verified Permissions.
    VerifiedPermissions,
}

impl AwsService {
    /// As hosts and signatures name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::DynamoDb => "dynamodb",
            Self::VerifiedPermissions => "verifiedpermissions",
        }
    }
}

/// A service in a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsTarget {
    /// Which.
    pub service: AwsService,
    /// Where.
    pub region: String,
    /// Its URL; the path ends with `/`.
    pub remote: Remote,
}

impl Aws {
    /// Where `service` is asked: in `region`, or where everything is.
    #[must_use]
    pub fn target(&self, service: AwsService, region: Option<&str>) -> AwsTarget {
        let region = region.unwrap_or(&self.region);
        let remote = self.endpoints.get(&service).cloned();
        AwsTarget {
            service,
            region: region.to_owned(),
            remote: remote.unwrap_or_else(|| usual(service, region)),
        }
    }
}

fn usual(service: AwsService, region: &str) -> Remote {
    // Source: AWS General Reference, "Service endpoints"; regions of China have a domain of their own.
    let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
    Remote {
        origin: UpstreamTarget {
            tls: Some(BackendTls::default()),
            host: format!("{}.{region}.amazonaws.com{suffix}", service.name()),
            port: 443,
            base_path: String::new(),
        },
        path: "/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_at_their_usual_hosts_or_where_it_is_written() {
        let local = Remote {
            origin: UpstreamTarget {
                tls: None,
                host: "127.0.0.1".to_owned(),
                port: 8000,
                base_path: String::new(),
            },
            path: "/".to_owned(),
        };
        let aws = Aws {
            region: "eu-west-1".to_owned(),
            credentials: CredentialSource::default(),
            endpoints: BTreeMap::from([(AwsService::DynamoDb, local.clone())]),
        };
        let host = |service, region| aws.target(service, region).remote.origin.host;
        assert_eq!(
            host(AwsService::Lambda, None),
            "lambda.eu-west-1.amazonaws.com"
        );
        let china = host(AwsService::VerifiedPermissions, Some("cn-north-1"));
        assert_eq!(china, "verifiedpermissions.cn-north-1.amazonaws.com.cn");
        let target = aws.target(AwsService::DynamoDb, Some("us-east-1"));
        assert_eq!((target.remote, &*target.region), (local, "us-east-1"));
    }
}
