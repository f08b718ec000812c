//! Which gateway of this host a command speaks of.

use std::path::PathBuf;

use crate::config::whereabouts;
use crate::model::{InstanceName, Whereabouts};

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
    /// Resolves the options. Of a configuration that is named only those settings are read which lead
    /// to its gateway: it may be the broken file for which that is to be rolled back.
    pub(super) fn resolve(&self) -> anyhow::Result<Target> {
        if let Some(path) = &self.config {
            let Whereabouts {
                instance,
                runtime_directory,
                state_directory,
                admin_socket,
            } = whereabouts(path).map_err(|report| {
                anyhow::anyhow!(
                    "{report}\nwhere its directories are the default ones, --instance NAME finds \
                     the gateway without its file"
                )
            })?;
            return Ok(Target {
                instance,
                config: Some(path.clone()),
                admin_socket,
                runtime_directory,
                state_directory,
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
