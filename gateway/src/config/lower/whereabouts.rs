//! Where a gateway keeps what belongs to it on its host.

use std::path::{Path, PathBuf};

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::tree::{Node, Reading};
use crate::model::{InstanceName, Whereabouts};

/// Name of the instance, where nothing is written.
const INSTANCE: &str = "default";

/// Longest path of a Unix socket, without its final zero (`unix(7)`).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The settings that say so, as written.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    pub(super) instance: Option<&'a str>,
    pub(super) runtime_directory: Option<&'a str>,
    pub(super) state_directory: Option<&'a str>,
    pub(super) admin_socket: Option<&'a str>,
}

impl<'a> Written<'a> {
    /// Of a tree whose shape is sound.
    pub(super) fn of(root: &Cursor<'a>) -> Self {
        let text = |at: Cursor<'a>| match at.node.map(Node::reading) {
            Some(Reading::Text(text)) => Some(text),
            _ => None,
        };
        Self {
            instance: text(root.key("instance")),
            runtime_directory: text(root.key("runtime_directory")),
            state_directory: text(root.key("state_directory")),
            admin_socket: text(root.key("admin").key("socket")),
        }
    }
}

/// Lowers them.
pub(super) fn lower(written: Written<'_>, cx: &mut Lowering<'_>) -> Whereabouts {
    let root = cx.root;
    let instance = lower_instance(written.instance, &root.key("instance"), cx);
    let mut path = |written: Option<&str>, at: &Cursor<'_>, default: PathBuf| {
        written.map_or(default, |written| cx.path(written, at))
    };
    let runtime_directory = path(
        written.runtime_directory,
        &root.key("runtime_directory"),
        instance.default_runtime_directory(),
    );
    let state_directory = path(
        written.state_directory,
        &root.key("state_directory"),
        instance.default_state_directory(),
    );
    let socket_at = root.key("admin").key("socket");
    let default = runtime_directory.join("admin.sock");
    let admin_socket = path(written.admin_socket, &socket_at, default);
    check_socket(&admin_socket, &socket_at, cx);
    Whereabouts {
        instance,
        runtime_directory,
        state_directory,
        admin_socket,
    }
}

fn lower_instance(written: Option<&str>, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> InstanceName {
    InstanceName::parse(written.unwrap_or(INSTANCE)).unwrap_or_else(|error| {
        cx.error(at, error.to_string());
        InstanceName::new(INSTANCE)
    })
}

fn check_socket(socket: &Path, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let bytes = socket.as_os_str().len();
    if bytes > SOCKET_PATH_BYTES_MAX {
        let shown = socket.display();
        let message = format!(
            "`{shown}` is {bytes} bytes long and a Unix socket's path at most \
             {SOCKET_PATH_BYTES_MAX}: choose a shorter one"
        );
        cx.error(at, message);
    }
}
