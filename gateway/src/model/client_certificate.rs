//! What is known of the certificate that a client presented.
//!
//! The forms are those of `$context.identity.clientCert` (14.6 of docs/semantics.md): names as RFC
//! 4514 writes them, the serial number in hexadecimal pairs, times as OpenSSL prints them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{ASN1Time, FromDer as _, X509Certificate, X509Name};

/// Characters of a line of PEM (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// Bytes of each name of a certificate that nobody vouches for; what follows is cut off. It is kept
/// as long as the connection is open, and anybody can present it.
const UNTRUSTED_NAME_BYTES_MAX: usize = 1_024;

/// A client's certificate that is vouched for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate as PEM.
    pub pem: Box<str>,
    /// What it is called.
    pub names: CertificateNames,
    /// First moment at which it is valid, such as `May 28 12:30:02 2019 GMT`.
    pub not_before: Box<str>,
    /// Last one.
    pub not_after: Box<str>,
}

/// What a client's certificate is called, whoever vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateNames {
    /// Whose it is.
    pub subject: Box<str>,
    /// Who issued it.
    pub issuer: Box<str>,
    /// Its number, such as `a1:b2`.
    pub serial: Box<str>,
}

impl CertificateNames {
    /// Those of a certificate in DER that nobody vouches for, each cut off where it is long; `None`
    /// if it is none.
    #[must_use]
    pub fn of_untrusted(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let Self {
            subject,
            issuer,
            serial,
        } = Self::of(&certificate);
        let cut = |name: Box<str>| {
            let end = name.floor_char_boundary(UNTRUSTED_NAME_BYTES_MAX);
            name.get(..end).unwrap_or_default().into()
        };
        Some(Self {
            subject: cut(subject),
            issuer: cut(issuer),
            serial: cut(serial),
        })
    }

    fn of(certificate: &X509Certificate<'_>) -> Self {
        Self {
            subject: distinguished_name(certificate.subject()).into(),
            issuer: distinguished_name(certificate.issuer()).into(),
            serial: certificate.raw_serial_as_string().into(),
        }
    }
}

impl ClientCertificate {
    /// Reads a certificate in DER; `None` if it is none.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            pem: pem(der).into(),
            names: CertificateNames::of(&certificate),
            not_before: time(validity.not_before).into(),
            not_after: time(validity.not_after).into(),
        })
    }
}

/// A name as RFC 4514 writes it: the most specific part first.
#[must_use]
pub fn distinguished_name(name: &X509Name<'_>) -> String {
    let parts: Vec<String> = name
        .iter_rdn()
        .map(|part| {
            let attributes = part.iter().map(|attribute| {
                let oid = attribute.attr_type();
                let kind = oid2abbrev(oid, oid_registry());
                let kind = kind.map_or_else(|_unknown| oid.to_id_string(), str::to_owned);
                let value = attribute
                    .as_str()
                    .map_or_else(|_no_text| hexadecimal(attribute.as_slice()), escaped);
                format!("{kind}={value}")
            });
            attributes.collect::<Vec<_>>().join("+")
        })
        .collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

/// A value that is no text.
fn hexadecimal(bytes: &[u8]) -> String {
    format!("#{}", HEXLOWER.encode(bytes))
}

fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (index, c) in value.chars().enumerate() {
        let is_special = matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (c == ' ' && (index == 0 || index == last))
            || (c == '#' && index == 0);
        if is_special {
            text.push('\\');
        }
        if c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                text.push_str(&format!("\\{byte:02x}"));
            }
        } else {
            text.push(c);
        }
    }
    text
}

fn time(time: ASN1Time) -> String {
    let time = time.to_datetime();
    let month = time.month().to_string();
    format!(
        "{} {:>2} {:02}:{:02}:{:02} {} GMT",
        month.get(..3).unwrap_or(&month),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.year()
    )
}

fn pem(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(PEM_LINE));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SerialNumber, date_time_ymd};

    use super::*;

    #[test]
    fn a_certificate_is_told_as_documented() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.serial_number = Some(SerialNumber::from(vec![0x2a, 0xa1, 0x05]));
        params.not_before = date_time_ymd(2019, 5, 8);
        params.not_after = date_time_ymd(2021, 12, 28);
        let name = &mut params.distinguished_name;
        name.remove(DnType::CommonName);
        name.push(DnType::CountryName, "CH");
        name.push(DnType::OrganizationName, "Pets, \"Inc\" \u{7}");
        name.push(DnType::CommonName, " #1");
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let read = ClientCertificate::read(made.der()).unwrap();
        let subject = r#"CN=\ #1,O=Pets\, \"Inc\" \07,C=CH"#;
        let names = &read.names;
        assert_eq!((&*names.subject, &*names.issuer), (subject, subject));
        assert_eq!(&*names.serial, "2a:a1:05");
        assert_eq!(
            CertificateNames::of_untrusted(made.der()).as_ref(),
            Some(names)
        );
        assert_eq!(&*read.not_before, "May  8 00:00:00 2019 GMT");
        assert_eq!(&*read.not_after, "Dec 28 00:00:00 2021 GMT");
        assert_eq!(*read.pem, made.pem().replace('\r', ""));
        assert_eq!(ClientCertificate::read(b"none"), None);
    }

    #[test]
    fn of_a_stranger_little_is_kept() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name = &mut params.distinguished_name;
        name.remove(DnType::CommonName);
        name.push(DnType::CommonName, "\u{20ac}".repeat(2_000));
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let kept = CertificateNames::of_untrusted(made.der()).unwrap();
        for name in [&kept.subject, &kept.issuer] {
            let lengths = UNTRUSTED_NAME_BYTES_MAX - 2..=UNTRUSTED_NAME_BYTES_MAX;
            assert!(lengths.contains(&name.len()), "{}", name.len());
        }
        let trusted = ClientCertificate::read(made.der()).unwrap();
        assert_eq!(trusted.names.subject.len(), 6_003);
        assert_eq!(CertificateNames::of_untrusted(b"none"), None);
    }
}
