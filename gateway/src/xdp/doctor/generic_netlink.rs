//! Questions to the kernel's generic netlink families (`linux/genetlink.h`), one message each way.
//!
//! Only what the doctor asks: a family by its name, then one command about one interface. Layouts
//! are those of the kernel's `Documentation/userspace-api/netlink/intro.rst`.

use std::io;

use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_GENERIC};

/// `GENL_ID_CTRL`: the family that knows the others.
const CONTROL: u16 = 0x10;
/// `CTRL_CMD_GETFAMILY`.
const GET_FAMILY: u8 = 3;
/// `CTRL_ATTR_FAMILY_ID`.
const FAMILY_ID: u16 = 1;
/// `CTRL_ATTR_FAMILY_NAME`.
const FAMILY_NAME: u16 = 2;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// What is left of an attribute's type without its flags.
const TYPE_MASK: u16 = 0x3fff;
/// Bytes of `nlmsghdr` and `genlmsghdr`.
const HEADERS: usize = 16 + 4;

/// One attribute of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) kind: u16,
    pub(super) value: Vec<u8>,
}

impl Attribute {
    /// The attributes inside this one.
    pub(super) fn nested(&self) -> Vec<Self> {
        parse(&self.value)
    }

    /// As a number of the width it has.
    pub(super) fn number(&self) -> Option<u64> {
        match *self.value.as_slice() {
            [byte] => Some(u64::from(byte)),
            [a, b] => Some(u64::from(u16::from_ne_bytes([a, b]))),
            [a, b, c, d] => Some(u64::from(u32::from_ne_bytes([a, b, c, d]))),
            [a, b, c, d, e, f, g, h] => Some(u64::from_ne_bytes([a, b, c, d, e, f, g, h])),
            _ => None,
        }
    }

    /// As text, which the kernel ends with a zero.
    pub(super) fn text(&self) -> String {
        let end = self.value.iter().position(|byte| *byte == 0);
        let text = self.value.get(..end.unwrap_or(self.value.len()));
        String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
    }
}

/// The first attribute of a type.
pub(super) fn find(attributes: &[Attribute], kind: u16) -> Option<&Attribute> {
    attributes.iter().find(|attribute| attribute.kind == kind)
}

/// An attribute to be sent.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An attribute of attributes, to be sent.
pub(super) fn nest(kind: u16, inside: &[u8]) -> Vec<u8> {
    attribute(kind | NESTED, inside)
}

/// A family of this kernel.
#[derive(Debug)]
pub(super) struct Family {
    socket: Socket,
    id: u16,
}

impl Family {
    /// The family of this name, in this thread's network namespace; `NotFound` where the kernel
    /// has none.
    pub(super) fn open(name: &str) -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let name = [name.as_bytes(), b"\0"].concat();
        let answer = exchange(&socket, CONTROL, GET_FAMILY, &attribute(FAMILY_NAME, &name))?;
        let id = find(&answer, FAMILY_ID).and_then(Attribute::number);
        let id = id.and_then(|id| u16::try_from(id).ok());
        Ok(Self {
            socket,
            id: id.ok_or_else(malformed)?,
        })
    }

    /// The attributes of the one answer to a command.
    pub(super) fn ask(&self, command: u8, attributes: &[u8]) -> io::Result<Vec<Attribute>> {
        exchange(&self.socket, self.id, command, attributes)
    }
}

fn exchange(
    socket: &Socket,
    family: u16,
    command: u8,
    attributes: &[u8],
) -> io::Result<Vec<Attribute>> {
    let length = u32::try_from(HEADERS + attributes.len()).map_err(io::Error::other)?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(family.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    // Sequence and port number: one question is under way at a time.
    message.extend([0; 8]);
    message.extend([command, 1, 0, 0]);
    message.extend_from_slice(attributes);
    socket.send(&message, 0)?;
    let (answer, _sender) = socket.recv_from_full()?;
    let Some((header, body)) = answer.split_at_checked(16) else {
        return Err(malformed());
    };
    let [_, _, _, _, low, high, ..] = *header else {
        return Err(malformed());
    };
    if u16::from_ne_bytes([low, high]) == ERROR {
        let code = body.first_chunk().map(|code| i32::from_ne_bytes(*code));
        return Err(match code {
            Some(code) if code < 0 => io::Error::from_raw_os_error(-code),
            _ => malformed(),
        });
    }
    Ok(parse(body.get(4..).unwrap_or_default()))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "unexpected answer")
}

/// Attributes, as far as they are well formed.
fn parse(mut bytes: &[u8]) -> Vec<Attribute> {
    let mut found = Vec::new();
    while let Some((&[l0, l1, k0, k1], rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(value) = length.checked_sub(4).and_then(|length| rest.get(..length)) else {
            break;
        };
        found.push(Attribute {
            kind: u16::from_ne_bytes([k0, k1]) & TYPE_MASK,
            value: value.to_vec(),
        });
        bytes = rest
            .get(value.len().next_multiple_of(4)..)
            .unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let inside = [attribute(1, &7_u32.to_ne_bytes()), attribute(2, b"eth0\0")].concat();
        let bytes = [nest(3, &inside), attribute(4, &[])].concat();
        let found = parse(&bytes);
        assert_eq!(found.iter().map(|it| it.kind).collect::<Vec<_>>(), [3, 4]);
        let nested = found[0].nested();
        assert_eq!(nested[0].number(), Some(7));
        assert_eq!(nested[1].text(), "eth0");
        assert_eq!(find(&nested, 9), None);
    }

    #[test]
    fn truncated_attributes_end_the_reading() {
        let whole = attribute(1, &[1, 2, 3, 4, 5]);
        for end in 0..9 {
            assert_eq!(parse(&whole[..end]), [], "{end} bytes");
        }
        assert_eq!(parse(&[0, 0, 1, 0]), []);
    }
}
