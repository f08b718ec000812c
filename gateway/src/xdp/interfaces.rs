//! The host's network interfaces, their addresses, and which program sits on them.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::net::IpAddr;

use nix::net::if_::InterfaceFlags;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage, LinkXdp, XdpAttached};
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::Mode;
use super::error::{EdgeError, system};
use crate::model::Listener;

/// `XDP_FLAGS_SKB_MODE` of `linux/if_link.h`.
const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
/// `XDP_FLAGS_DRV_MODE` of `linux/if_link.h`.
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// One address of one interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LocalAddress {
    pub(super) interface: String,
    pub(super) address: IpAddr,
    pub(super) is_loopback: bool,
}

/// Every address of this network namespace, in a fixed order.
pub(super) fn local_addresses() -> Result<Vec<LocalAddress>, EdgeError> {
    let found = nix::ifaddrs::getifaddrs().map_err(|error| system("getifaddrs")(error.into()))?;
    let addresses: BTreeSet<LocalAddress> = found
        .filter_map(|entry| {
            let address = entry.address?;
            let address = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
                (Some(v4), _) => IpAddr::V4(v4.ip()),
                (None, Some(v6)) => IpAddr::V6(v6.ip()),
                (None, None) => return None,
            };
            Some(LocalAddress {
                interface: entry.interface_name,
                address,
                is_loopback: entry.flags.contains(InterfaceFlags::IFF_LOOPBACK),
            })
        })
        .collect();
    Ok(addresses.into_iter().collect())
}

/// The interfaces to attach to, with their indexes: those named, else those that carry a
/// listener's address. A wildcard does not choose the loopback interface: what comes in there
/// comes from this host.
pub(super) fn chosen(
    named: &[String],
    listeners: &[Listener],
    local: &[LocalAddress],
) -> Result<Vec<(String, u32)>, EdgeError> {
    let names: BTreeSet<&str> = if named.is_empty() {
        let carries = |local: &&LocalAddress| {
            listeners.iter().any(|listener| {
                let wanted = listener.address.ip();
                if wanted.is_unspecified() {
                    wanted.is_ipv4() == local.address.is_ipv4() && !local.is_loopback
                } else {
                    wanted.to_canonical() == local.address
                        || wanted.is_loopback() && local.is_loopback
                }
            })
        };
        local
            .iter()
            .filter(carries)
            .map(|local| local.interface.as_str())
            .collect()
    } else {
        named.iter().map(String::as_str).collect()
    };
    if names.is_empty() {
        return Err(EdgeError::NoInterface);
    }
    names
        .into_iter()
        .map(|name| index(name).map(|index| (name.to_owned(), index)))
        .collect()
}

/// The index of an interface.
pub(super) fn index(name: &str) -> Result<u32, EdgeError> {
    nix::net::if_::if_nametoindex(name).map_err(|_unknown| EdgeError::UnknownInterface {
        name: name.to_owned(),
        present: present(),
    })
}

/// The names there are, for an error.
fn present() -> String {
    match nix::net::if_::if_nameindex() {
        Ok(names) => {
            let names: Vec<String> = names
                .iter()
                .map(|entry| entry.name().to_string_lossy().into_owned())
                .collect();
            names.join(", ")
        }
        Err(error) => format!("unknown ({error})"),
    }
}

/// The name of an interface; `None` where there is none of this index.
pub(super) fn name(index: u32) -> Result<Option<String>, EdgeError> {
    let names =
        nix::net::if_::if_nameindex().map_err(|error| system("if_nameindex")(error.into()))?;
    let found = names.iter().find(|entry| entry.index() == index);
    Ok(found.map(|entry| entry.name().to_string_lossy().into_owned()))
}

/// The program on an interface, as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) mode: Mode,
    pub(super) program_id: u32,
}

/// What `IFLA_XDP` says of an interface (rtnetlink(7)); `None` where it carries no program, or is
/// not there.
pub(super) fn carried(interface_index: u32) -> Result<Option<Carried>, EdgeError> {
    let reply = match ask(interface_index) {
        Ok(reply) => reply,
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(None),
        Err(error) => return Err(system("RTM_GETLINK")(error)),
    };
    Ok(carried_by(&reply))
}

/// As [`carried`], from what the kernel has said already.
pub(super) fn carried_by(link: &LinkMessage) -> Option<Carried> {
    let xdp = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::Xdp(xdp) => Some(xdp),
            _ => None,
        })?;
    let mut mode = None;
    let mut program_id = None;
    let mut driver_id = None;
    for item in xdp {
        match item {
            LinkXdp::Attached(XdpAttached::SocketBuffer) => mode = Some(Mode::Generic),
            LinkXdp::Attached(
                XdpAttached::Driver | XdpAttached::Hardware | XdpAttached::Multiple,
            ) => mode = Some(Mode::Native),
            LinkXdp::ProgId(id) => program_id = Some(*id),
            LinkXdp::DrvProgId(id) => driver_id = Some(*id),
            _ => {}
        }
    }
    // With several attached there is no single id, and the driver's comes first on the path.
    let program_id = program_id.or(driver_id);
    mode.zip(program_id)
        .map(|(mode, program_id)| Carried { mode, program_id })
}

/// Takes a program that was attached by netlink off an interface.
pub(super) fn detach_netlink(interface_index: u32, mode: Mode) -> io::Result<()> {
    let flags = match mode {
        Mode::Native => XDP_FLAGS_DRV_MODE,
        Mode::Generic => XDP_FLAGS_SKB_MODE,
    };
    let mut message = LinkMessage::default();
    message.header.index = interface_index;
    message.attributes.push(LinkAttribute::Xdp(vec![
        LinkXdp::Fd(-1),
        LinkXdp::Flags(flags),
    ]));
    let request = NetlinkMessage::from(RouteNetlinkMessage::SetLink(message));
    match exchange(request, NLM_F_REQUEST | NLM_F_ACK)? {
        NetlinkPayload::Error(answer) if answer.code.is_none() => Ok(()),
        NetlinkPayload::Error(answer) => Err(answer.to_io()),
        _ => Err(unexpected()),
    }
}

/// What the kernel knows of an interface of this thread's network namespace.
pub(super) fn ask(interface_index: u32) -> io::Result<LinkMessage> {
    let mut message = LinkMessage::default();
    message.header.index = interface_index;
    let request = NetlinkMessage::from(RouteNetlinkMessage::GetLink(message));
    match exchange(request, NLM_F_REQUEST)? {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => Ok(link),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        _ => Err(unexpected()),
    }
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "unexpected answer")
}

/// One request and its answer.
fn exchange(
    mut request: NetlinkMessage<RouteNetlinkMessage>,
    flags: u16,
) -> io::Result<NetlinkPayload<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    request.header.flags = flags;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let (bytes, _sender) = socket.recv_from_full()?;
    let reply = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(reply.payload)
}

/// An interface that the program was attached to.
#[derive(Clone, Debug)]
pub(super) struct Guarded {
    pub(super) interface: String,
    pub(super) index: u32,
}

/// The addresses of these interfaces, out of all local ones. An interface that was removed, or
/// made anew under its old name, has lost its program and is left out.
pub(super) fn addresses_of(
    guarded: &[Guarded],
    local: &[LocalAddress],
) -> Result<HashSet<IpAddr>, EdgeError> {
    let mut names = HashSet::new();
    for Guarded { interface, index } in guarded {
        let is_same = nix::net::if_::if_nametoindex(interface.as_str()) == Ok(*index);
        if is_same && carried(*index)?.is_some() {
            names.insert(interface);
        }
    }
    Ok(local
        .iter()
        .filter(|local| names.contains(&local.interface))
        .map(|local| local.address)
        .collect())
}
