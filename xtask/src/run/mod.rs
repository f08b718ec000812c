//! `cargo xtask run`: builds the gateway and starts it, on an embedded demo or on a configuration
//! of one's own, until Ctrl-C.
//!
//! The quick profile is the default because on a fresh machine it is ready in a fraction of the
//! time, and `cargo xtask test` uses the same build; `--release` builds what is shipped.

mod configuration;
mod curl;
mod demo;
mod guarded;

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;

use anyhow::Context as _;

use crate::process::{self, Profile};

/// Where the demo listens on 127.0.0.1, unless told otherwise.
const PORT: u16 = 8443;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Build as this user and raise only the gateway, with `sudo`, so that it can attach XDP.
    #[arg(long)]
    sudo: bool,
    /// Build as for shipping, instead of quickly.
    #[arg(long)]
    release: bool,
    /// Port of the demo on 127.0.0.1.
    #[arg(long, default_value_t = PORT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Options for `gateway run`: with `--config FILE` it is that configuration instead of the demo.
    #[arg(last = true, value_name = "GATEWAY OPTIONS")]
    gateway: Vec<OsString>,
}

/// Who runs the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    /// This user, who may not touch the kernel.
    User,
    /// This user, who is root.
    Root,
    /// Root, by way of `sudo`.
    Sudo,
}

impl Power {
    fn of(sudo: bool) -> anyhow::Result<Self> {
        // A process's own entry belongs to its effective user.
        let root = std::fs::metadata("/proc/self").context("/proc/self")?.uid() == 0;
        Ok(match (root, sudo) {
            (true, _) => Self::Root,
            (false, true) => Self::Sudo,
            (false, false) => Self::User,
        })
    }

    /// What a gateway that was killed leaves behind.
    fn aftermath(self) -> &'static str {
        match self {
            Self::User => "",
            Self::Root | Self::Sudo => {
                "; if it was killed, its tables stay pinned in the kernel until the next one ends"
            }
        }
    }
}

impl Arguments {
    fn names_configuration(&self) -> bool {
        self.gateway
            .iter()
            .any(|option| option == "--config" || option.to_string_lossy().starts_with("--config="))
    }

    fn names_interface(&self) -> bool {
        self.gateway.iter().any(|option| {
            option == "--interface" || option.to_string_lossy().starts_with("--interface=")
        })
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let profile = if arguments.release {
        Profile::Release
    } else {
        Profile::Quick
    };
    let power = Power::of(arguments.sudo)?;
    let programs = process::build(profile)?;
    // One thread, the one that also lives longest: a parent-death signal follows the thread that
    // started the child.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        if arguments.names_configuration() {
            let mut gateway = guarded::Guarded::start(&programs, power, &arguments.gateway)?;
            gateway.until_asked().await
        } else {
            demo::run(&programs, arguments, power).await
        }
    })
}
