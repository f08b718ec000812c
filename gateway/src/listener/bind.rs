//! Listening sockets.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel keeps for a worker that is busy; the kernel's own `somaxconn` may be
/// lower.
const BACKLOG: i32 = 4_096;

/// A socket could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}{}", hint(source))]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// What the kernel said.
    pub source: std::io::Error,
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            ": another process listens there; stop it or choose another port"
        }
        std::io::ErrorKind::PermissionDenied => {
            ": ports below 1024 need CAP_NET_BIND_SERVICE; start the gateway as root"
        }
        _ if error.raw_os_error() == Some(libc::ENODEV) => ": there is no such interface",
        std::io::ErrorKind::AddrNotAvailable => ": no interface of this host has the address",
        _ => "",
    }
}

/// Opens one socket per worker for `address`, of clients that come in by `interface` if there is one
/// (SO_BINDTODEVICE, for which Linux asks no rights since 5.7). Port 0 is settled by the first socket and shared by
/// the others.
///
/// # Errors
/// See [`BindError`]; nothing stays open then.
pub fn bind(
    address: SocketAddr,
    interface: Option<&str>,
    workers: usize,
) -> Result<Vec<TcpListener>, BindError> {
    let mut address = address;
    let mut sockets = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = open(address, interface).map_err(|source| BindError { address, source })?;
        if address.port() == 0 {
            address = socket
                .local_addr()
                .map_err(|source| BindError { address, source })?;
        }
        sockets.push(socket);
    }
    Ok(sockets)
}

fn open(address: SocketAddr, interface: Option<&str>) -> std::io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        // `[::]` and `0.0.0.0` are two listeners, and XDP judges them as two.
        socket.set_only_v6(true)?;
    }
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
