//! Which gateway of this host a command speaks of.

use std::path::PathBuf;

use crate::model::InstanceName;

/// Options that name a gateway.
#[derive(Debug, clap::Args)]
pub(super) struct TargetArguments {
    /// Name of the instance, as in its configuration.
    #[arg(long, default_value = "default", conflicts_with = "config")]
    instance: String,
    /// Configuration file of the instance, where its directories are not the default ones.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where a gateway keeps what the command line needs.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) instance: InstanceName,
    /// Its configuration, where one is named.
    pub(super) config: Option<PathBuf>,
    pub(super) admin_socket: PathBuf,
    pub(super) runtime_directory: PathBuf,
    pub(super) state_directory: PathBuf,
}

impl TargetArguments {
    /// Resolves the options, reading the configuration where one is named.
    pub(super) fn resolve(&self) -> anyhow::Result<Target> {
        if let Some(path) = &self.config {
            let gateway = crate::config::load_settings(path)
                .map_err(|report| anyhow::anyhow!("{report}"))?
                .gateway;
            return Ok(Target {
                instance: gateway.instance,
                config: Some(path.clone()),
                admin_socket: gateway.admin.socket,
                runtime_directory: gateway.runtime_directory,
                state_directory: gateway.state_directory,
            });
        }
        let instance = InstanceName::parse(&self.instance)?;
        let runtime_directory = instance.default_runtime_directory();
        Ok(Target {
            admin_socket: runtime_directory.join("admin.sock"),
            state_directory: instance.default_state_directory(),
            runtime_directory,
            instance,
            config: None,
        })
    }
}
